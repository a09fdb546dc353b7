"""Models to JSON Schema, for editors and for whoever checks files without us."""

from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from reconciler.policy.policy_set import KINDS, Policy

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ALL_KINDS: Final = "policy.schema.json"
_FILE_NAMES: Final = {
    "ProtectionGroup": "protection-group.schema.json",
    "HyperVHost": "hyper-v-host.schema.json",
    "HyperVCluster": "hyper-v-cluster.schema.json",
    "FileServer": "file-server.schema.json",
    "StoragePool": "storage-pool.schema.json",
}


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema: one for any policy, and one for each kind."""
    union = TypeAdapter[Policy](Annotated[Policy, Field(discriminator="kind")])
    found = {ALL_KINDS: _published(ALL_KINDS, union.json_schema(by_alias=True))}
    for kind, model in KINDS.items():
        name = _FILE_NAMES[kind]
        found[name] = _published(name, model.model_json_schema(by_alias=True))
    return found


def _published(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": name, **_plain(schema)}


def _plain(node: Any, *, are_names: bool = False) -> Any:
    """Without the headings that editors would show, and without null, which no key may be.

    Args:
        node: Any part of a schema.
        are_names: The keys of this mapping are names of ours, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if are_names:
        return {name: _plain(part) for name, part in node.items()}
    node = _without_null(node)
    if isinstance(node.get("default"), dict | list):
        node = {word: part for word, part in node.items() if word != "default"}
    return {
        word: _plain(part, are_names=word in {"properties", "$defs"})
        for word, part in node.items()
        if word != "title"
    }


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """`X or null, null by default` is how pydantic says that a key may be left out."""
    null = {"type": "null"}
    if null not in node.get("anyOf", ()):
        return node
    (other,) = (part for part in node["anyOf"] if part != null)
    rest = {word: part for word, part in node.items() if word not in {"anyOf", "default"}}
    return {**other, **rest}
