"""YAML documents from parser events: no recursion, everything bounded, positions on demand."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.policy.complaints import MOST_COMPLAINTS, Code, Location, Position, Remark
from reconciler.policy.yaml_errors import yaml_problem
from reconciler.policy.yaml_nodes import Document, Limits, Node
from reconciler.policy.yaml_text import YamlRefusedError, plain_value

_NO_KEY = object()


class _Frame:
    """A container that is still open."""

    __slots__ = ("anchor", "items", "key", "key_at", "mapping", "node", "seen", "start_total")

    def __init__(self, *, is_mapping: bool, anchor: str | None, total: int) -> None:
        self.mapping: dict[str, Any] | None = {} if is_mapping else None
        self.items: list[Any] = []
        self.key: Any = _NO_KEY
        self.key_at: Position | None = None
        self.seen: dict[str, int] = {}
        self.anchor = anchor
        self.node: Node | None = None
        self.start_total = total

    @property
    def value(self) -> Any:
        return self.items if self.mapping is None else self.mapping

    @property
    def wants_key(self) -> bool:
        return self.mapping is not None and self.key is _NO_KEY


class _Builder:
    """Puts documents together from events, on a stack of its own."""

    def __init__(self, limits: Limits, *, with_positions: bool) -> None:
        self.limits = limits
        self.with_positions = with_positions
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, Node | None]] = {}
        self.found: list[tuple[Position, Remark]] = []
        self.total = 0
        self.aliases = 0
        self.root: Document | None = None
        self.documents: list[Document] = []
        self.handlers: dict[type, Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._start,
            SequenceStartEvent: self._start,
            MappingEndEvent: self._end,
            SequenceEndEvent: self._end,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document_start,
            DocumentEndEvent: self._document_end,
        }

    def location(self) -> Location:
        """Where the next value would go."""
        steps = [len(f.items) if f.mapping is None else f.key for f in self.stack]
        return tuple(step for step in steps if step is not _NO_KEY)

    def _complain(self, event: Any, text: str, hint: str, *, key: str | None = None) -> None:
        """Note a problem and go on; when there are too many, give up."""
        location = self.location() + (() if key is None else (key,))
        remark = Remark(location, text, hint, Code.SYNTAX, is_about_key=key is not None)
        self.found.append((_at(event), remark))
        if len(self.found) >= MOST_COMPLAINTS:
            raise YamlRefusedError(*self.found)

    def _refuse(self, event: Any, text: str, hint: str) -> YamlRefusedError:
        remark = Remark(self.location(), text, hint, Code.SYNTAX)
        return YamlRefusedError(*self.found, (_at(event), remark))

    def _refuse_tag(self, event: Any) -> None:
        tag = str(event.ctag).replace("tag:yaml.org,2002:", "!!")[:60]
        hint = "write the value itself; text goes in quotes"
        self._complain(event, f"tags are not allowed here ({tag})", hint)

    def _count(self, event: Any, values: int) -> None:
        self.total += values
        if self.total > self.limits.values:
            text = f"more than {self.limits.values:,} values, aliases counted each time"
            raise self._refuse(event, text, "split the file, and write less with aliases")

    def _scalar(self, event: Any) -> None:
        if event.ctag is not None:
            self._refuse_tag(event)
        is_plain = not event.style and event.implicit[0]
        if self.stack and self.stack[-1].wants_key:
            self._take_key(event, is_plain=is_plain)
            return
        value = plain_value(event.value) if is_plain else event.value
        self._count(event, 1)
        node = Node(_at(event)) if self.with_positions else None
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, node)
        self._put(value, node)

    def _take_key(self, event: Any, *, is_plain: bool) -> None:
        frame, key, line = self.stack[-1], event.value, event.start_mark.line + 1
        if key == "<<" and is_plain:
            hint = "write the keys out; an alias (*name) may stand for a whole value"
            self._complain(event, "merge keys ('<<') are not supported", hint, key=key)
        elif key in frame.seen:
            text = f"this key is there twice; first on line {frame.seen[key]}"
            self._complain(event, text, "keep one of the two", key=key)
        else:
            frame.seen[key] = line
        frame.key = key
        if self.with_positions:
            frame.key_at = _at(event)

    def _start(self, event: Any) -> None:
        if event.ctag is not None:
            self._refuse_tag(event)
        self._refuse_as_key(event)
        if len(self.stack) >= self.limits.depth:
            text = f"nested more than {self.limits.depth} levels deep"
            hint = "no policy needs more than a few; close the brackets"
            raise YamlRefusedError((_at(event), Remark((), text, hint, Code.SYNTAX)))
        is_mapping = type(event) is MappingStartEvent
        frame = _Frame(is_mapping=is_mapping, anchor=event.anchor, total=self.total)
        frame.node = Node(_at(event)) if self.with_positions else None
        self._count(event, 1)
        self.stack.append(frame)

    def _refuse_as_key(self, event: Any) -> None:
        if self.stack and self.stack[-1].wants_key:
            hint = "a key is a word, followed by a colon; text with brackets goes in quotes"
            raise self._refuse(event, "a key has to be plain text", hint)

    def _end(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            size = self.total - frame.start_total
            self.anchors[frame.anchor] = (frame.value, size, frame.node)
        self._put(frame.value, frame.node)

    def _alias(self, event: Any) -> None:
        self._refuse_as_key(event)
        name = event.anchor
        self.aliases += 1
        if self.aliases > self.limits.aliases:
            text = f"more than {self.limits.aliases} aliases"
            raise self._refuse(event, text, "write the values out, or split the file")
        if any(frame.anchor == name for frame in self.stack):
            raise self._refuse(event, f"*{name} points into itself", "write the value out")
        if name not in self.anchors:
            text = f"*{name} has no &{name} before it in this document"
            raise self._refuse(event, text, "text that begins with * goes in quotes")
        value, size, node = self.anchors[name]
        self._count(event, size)
        self._put(value, node and Node(_at(event), node.keys, node.values))

    def _document_start(self, _: Any) -> None:
        self.anchors.clear()
        self.root = None

    def _document_end(self, _: Any) -> None:
        if self.root is not None and self.root.data is not None:
            self.documents.append(self.root)

    def _put(self, value: Any, node: Node | None) -> None:
        """Give a finished value to the container that is open, or make it the document."""
        if not self.stack:
            self.root = Document(value, node)
            return
        frame = self.stack[-1]
        if frame.mapping is None:
            step: str | int = len(frame.items)
            frame.items.append(value)
        else:
            step = frame.key
            frame.mapping[frame.key] = value
            frame.key = _NO_KEY
        if frame.node and node:
            frame.node.values[step] = node
            frame.node.keys[step] = frame.key_at or node.at
            frame.key_at = None


def _at(event: Any) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1)


def _events(text: str, *, pure: bool = False) -> Iterator[Any]:
    return iter(YAML(typ="safe", pure=pure).parse(text))


def read_documents(
    text: str, limits: Limits | None = None, *, with_positions: bool = False
) -> list[Document]:
    """All documents of a text that hold something.

    Raises:
        YamlRefusedError: It is not YAML, or not the part of it that we accept.
    """
    builder = _Builder(limits or Limits(), with_positions=with_positions)
    handlers = builder.handlers
    events_read = 0
    try:
        for event in _events(text):
            events_read += 1
            if handler := handlers.get(type(event)):
                handler(event)
    except YAMLError as error:
        clearer = _python_error(text, events_read) or error
        position, problem, hint = yaml_problem(clearer, text)
        remark = Remark(builder.location(), problem, hint, Code.SYNTAX)
        raise YamlRefusedError(*builder.found, (position, remark)) from None
    if builder.found:
        raise YamlRefusedError(*builder.found)
    return builder.documents


def _python_error(text: str, events_read: int) -> MarkedYAMLError | None:
    """What the YAML parser in Python says: the C one is fast, but its words are terse.

    It gets no further than the C parser did, so that no text can make it slow.
    """
    if len(text) > 1 << 16:
        return None
    try:
        for _ in islice(_events(text, pure=True), events_read + 10):
            pass
    except MarkedYAMLError as error:
        return error
    except (YAMLError, RecursionError):
        return None
    return None
