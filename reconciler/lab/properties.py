"""Set what a host shows of a machine: any property, any value, as a broken or busy host might.

Names are the contract's: `State`, `OperationalStatus`, `HardDrives.1.VhdFormat`,
`IntegrationServices.VSS.Enabled`, `Jobs` (as in `108:Running,94:Starting`). Values are shown as
they are set; nothing else follows from them, but that a guest writes only while `State` is Running.
"""

from reconciler.agent_contract import GET_MACHINE, Field, Kind
from reconciler.errors import ItemNotFoundError, SettingsError
from reconciler.lab.definition import HEARTBEAT, KEY_VALUE_PAIRS, SHUTDOWN, TIME_SYNC, VSS
from reconciler.lab.state import JobRecord, MachineState, ServiceState

Plain = str | int | bool | None | list[str]

_SERVICES = {
    "VSS": VSS,
    "HEARTBEAT": HEARTBEAT,
    "KVP": KEY_VALUE_PAIRS,
    "SHUTDOWN": SHUTDOWN,
    "TIMESYNC": TIME_SYNC,
}
GROUP_STATES = ("Online", "Offline", "Failed", "PartialOnline", "Pending")
"""Of the group of a clustered machine. Source: hyperv-facts.md §3.2."""
_CONTROLLERS = Field("ScsiControllers", Kind.INT)
_FIELDS = {field.name: field for field in GET_MACHINE.fields}


def set_property(machine: MachineState, name: str, text: str) -> None:
    """Set one property from its text; lists are separated by commas, `null` is none.

    Raises:
        ItemNotFoundError: A machine has no such property.
        SettingsError: The text is no value of that property.
    """
    if name == "ScsiControllers":
        machine.scsi_controllers = int(str(_value(_CONTROLLERS, text)))
        return
    if name == "IntegrationServicesVersion":
        machine.integration_version = text
        return
    if name == "GroupState":
        machine.group_state = _group_state(text)
        return
    if name == "Jobs":
        machine.jobs = [_job(part) for part in text.split(",") if part]
        return
    first, _, rest = name.partition(".")
    which, _, last = rest.partition(".")
    field = _field(first, last)
    if first == "HardDrives":
        _set_drive(machine, which, field, text)
    elif first == "IntegrationServices":
        _set_service(machine, which, field, text)
    else:
        machine.properties[first] = _value(field, text)  # type: ignore[assignment]


def _group_state(text: str) -> str | None:
    if text not in (*GROUP_STATES, "null"):
        told = f"one of {', '.join(GROUP_STATES)}; null lets it follow the machine's state"
        raise SettingsError(f"GroupState: {text} is none", hint=told)
    return None if text == "null" else text


def _field(first: str, last: str) -> Field:
    field = _FIELDS.get(first)
    if field and field.kind is Kind.OBJECTS:
        field = {inner.name: inner for inner in field.fields}.get(last)
    if field is None or first == "Jobs" or field.name in ("VMId", "ComponentId"):
        known = ", ".join(name for name in _FIELDS if name != "VMId")
        raise ItemNotFoundError(
            f"{first}{'.' if last else ''}{last} is no property that can be set",
            hint=f"one of {known}; for example HardDrives.0.Path, IntegrationServices.VSS.Enabled",
        )
    return field


def _set_drive(machine: MachineState, which: str, field: Field, text: str) -> None:
    for disk in machine.disks:
        if str(disk.number) == which:
            disk.properties[field.name] = _value(field, text)  # type: ignore[assignment]
            return
    raise ItemNotFoundError(
        f"{machine.name} has no disk {which}", hint=f"0 to {len(machine.disks) - 1}"
    )


def _set_service(machine: MachineState, which: str, field: Field, text: str) -> None:
    component = _SERVICES.get(which.upper(), which.lower())
    service = next((s for s in machine.services if s.component_id == component), None)
    if service is None:
        service = ServiceState(component_id=component)
        machine.services.append(service)
    if field.name == "Enabled":
        service.is_enabled = bool(_value(field, text))
    else:
        service.status = text


def _job(text: str) -> JobRecord:
    number, _, state = text.partition(":")
    if not number.isdecimal():
        raise SettingsError(f"Jobs: {text} is no job", hint="JobType:JobState, such as 108:Running")
    return JobRecord(type=int(number), state=state or "Running")


def _value(field: Field, text: str) -> Plain:
    if text == "null" and field.is_optional:
        return None
    if field.kind is Kind.STRINGS:
        return [part for part in text.split(",") if part]
    if field.kind is Kind.BOOL:
        return text.lower() in ("true", "yes", "1")
    if field.kind in (Kind.INT, Kind.LONG):
        try:
            return int(text)
        except ValueError as error:
            raise SettingsError(f"{field.name}: {text} is no number", hint="give one") from error
    return text
