"""An engine in Python: PSRP pipelines whose commands are the agent's functions, and no others."""

import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import psrpcore
from psrpcore._payload import PSRPMessage
from psrpcore.types import PSCustomObject, PSRPMessageType

from reconciler.agent_contract import FUNCTIONS, MODULE, AgentFunction
from reconciler.lab.wire.binder import bind
from reconciler.lab.wire.body import AgentBody, AgentError
from reconciler.lab.wire.engine import CTRL_C, TERMINATE, EngineError, EngineFactory, Output
from reconciler.lab.wire.psrp_pool import Pipeline, Pool, fragments
from reconciler.lab.wire.values import error_record, to_object

FRAGMENT_BYTES: Final = 32 << 10
"""A server's fragments with their header; recorded from Windows (reference/psrp-smb.md §1)."""
MAX_RECEIVED_BYTES: Final = 50 << 20
"""Source: MaximumReceivedDataSizePerCommandMB of Register-PSSessionConfiguration."""
MAX_RUNSPACES: Final = 32
GET_COMMAND: Final = "get-command"

_log = logging.getLogger(__name__)


def agent_engine(
    body: AgentBody,
    functions: Iterable[AgentFunction] = FUNCTIONS,
    fragment_bytes: int = FRAGMENT_BYTES,
) -> EngineFactory:
    """Engines for a session configuration that serves the agent's functions."""
    served = {function.name.lower(): function for function in functions}
    return lambda output: PythonEngine(output, body, served, fragment_bytes)


@dataclass(slots=True)
class _Run:
    """One pipeline and how far it is."""

    command_id: str
    pipeline: Pipeline
    received_bytes: int = 0
    is_started: bool = False
    is_over: bool = False


class PythonEngine:
    """One shell. Its lock is never held while output is delivered."""

    def __init__(
        self,
        output: Output,
        body: AgentBody,
        served: dict[str, AgentFunction],
        fragment_bytes: int,
    ) -> None:
        self._output = output
        self._body = body
        self._served = served
        self._fragment_bytes = fragment_bytes
        self._lock = threading.Lock()
        self._pool = Pool()
        self._pool_bytes = 0
        self._runs: dict[str, _Run] = {}
        self._slots = threading.BoundedSemaphore()

    # --- ShellEngine

    def start(self, creation_xml: bytes) -> None:
        """Open the pool."""
        with self._lock:
            self._pool.feed(creation_xml)
            runspaces = min(max(self._pool.max_runspaces, 1), MAX_RUNSPACES)
            self._slots = threading.BoundedSemaphore(runspaces)
            messages = self._pool.drained()
        self._deliver(messages)

    def connect(self, connect_xml: bytes) -> bytes:
        """Let another client take over; the pool's new state follows as ordinary output."""
        with self._lock:
            try:
                self._pool.disconnect()
                self._pool.connect()
            except psrpcore.PSRPCoreError as error:
                raise EngineError(str(error)) from error
            self._pool.prepare_message(self._pool.our_capability)  # psrpcore forgets this one
            self._pool.feed(connect_xml)
            messages = self._pool.drained()
        states = [m for m in messages if m.message_type is PSRPMessageType.RunspacePoolState]
        self._deliver(states)
        answers = (m for m in messages if m not in states)
        return b"".join(f for m in answers for f in fragments(m, self._fragment_bytes))

    def command(self, command_id: str, first_fragment: bytes) -> None:
        """Begin a pipeline; it starts when its description is complete."""
        with self._lock:
            run = _Run(command_id, Pipeline(self._pool, uuid.UUID(command_id)))
            self._runs[command_id] = run
            try:
                self._feed(run, first_fragment)
            except EngineError:
                self._forget(run)
                raise

    def send(self, command_id: str | None, fragment: bytes) -> None:
        """More of a pipeline's description, or a question to the pool."""
        with self._lock:
            if command_id is None:
                self._feed_pool(fragment)
            else:
                self._feed(self._run(command_id), fragment)
            messages = self._pool.drained()
        self._deliver(messages)

    def signal(self, command_id: str, code: str) -> None:
        """Stop a pipeline, or forget it. What its function still answers is dropped."""
        with self._lock:
            run = self._run(command_id)
            if code == TERMINATE:
                self._forget(run)
                return
            if code != CTRL_C:
                raise EngineError(f"the signal {code[:80]} is unknown")
            if run.is_over:
                return
            run.is_over = True
            run.pipeline.begin()
            run.pipeline.stop()
            messages = self._pool.drained()
        self._deliver(messages)
        self._output.finished(command_id)

    def close(self) -> None:
        """Drop what functions still answer."""
        with self._lock:
            for run in list(self._runs.values()):
                self._forget(run)

    # --- input; the lock is held

    def _run(self, command_id: str) -> _Run:
        if command_id not in self._runs:
            raise EngineError(f"no pipeline has the id {command_id}")
        return self._runs[command_id]

    def _forget(self, run: _Run) -> None:
        run.is_over = True
        self._runs.pop(run.command_id, None)
        self._pool.pipeline_table.pop(run.pipeline.pipeline_id, None)

    def _feed(self, run: _Run, data: bytes) -> None:
        run.received_bytes += len(data)
        if run.received_bytes > MAX_RECEIVED_BYTES:
            raise EngineError(
                "The total data received from the remote client exceeded the allowed maximum of "
                f"{MAX_RECEIVED_BYTES >> 20} MB."
            )
        self._pool.feed(data, run.pipeline.pipeline_id)
        if run.pipeline.metadata is not None and not run.is_started:
            run.is_started = True
            threading.Thread(target=self._work, args=(run,), daemon=True).start()

    def _feed_pool(self, data: bytes) -> None:
        self._pool_bytes += len(data)
        if self._pool_bytes > MAX_RECEIVED_BYTES:
            raise EngineError("The total data received for the runspace pool is too large.")
        for event in self._pool.feed(data):
            match event:
                case psrpcore.GetAvailableRunspacesEvent():
                    self._pool.runspace_availability_response(event.ci, self._pool.max_runspaces)
                case (
                    psrpcore.SetMaxRunspacesEvent()
                    | psrpcore.SetMinRunspacesEvent()
                    | psrpcore.ResetRunspaceStateEvent()
                ):
                    # The number of runspaces stays what it was when the pool was opened.
                    self._pool.runspace_availability_response(event.ci, response=False)
                case _:
                    pass

    # --- a pipeline, in its own thread

    def _work(self, run: _Run) -> None:
        name: str | None = None
        failure: AgentError | None = None
        with self._slots:
            try:
                command = self._begun(run)
                if command is None:
                    return
                if _name(command) == GET_COMMAND:
                    outputs = self._listed()
                else:
                    function = self._function(command)
                    name = function.name
                    arguments = bind(function, command.parameters)
                    outputs = (
                        to_object(function, answer)
                        for answer in self._body.invoke(function, arguments)
                    )
                self._write(run, outputs)
            except AgentError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 (as PowerShell: it ends the call, no more)
                _log.exception("the body of %s failed", name)
                failure = AgentError(type(error).__name__, str(error))
            self._end(run, failure, name)

    def _begun(self, run: _Run) -> psrpcore.Command | None:
        """The one command of a pipeline; None when it is over already."""
        with self._lock:
            if run.is_over:
                return None
            run.pipeline.begin()
            description = run.pipeline.metadata
        if not isinstance(description, psrpcore.PowerShell) or len(description.commands) != 1:
            raise AgentError("NotSupported", "The end point runs one function at a time.")
        command = description.commands[0]
        if command.is_script:
            raise AgentError(
                "ScriptsNotAllowed",
                "The syntax is not supported by this runspace. This can occur if the runspace is "
                "in no-language mode.",
                category="ParserError",
            )
        return command

    def _function(self, command: psrpcore.Command) -> AgentFunction:
        function = self._served.get(_name(command))
        if function is None:
            raise AgentError(
                "CommandNotFoundException",
                f"The term '{command.command_text[:200]}' is not recognized as the name of a "
                "cmdlet, function, script file, or operable program.",
                category="ObjectNotFound",
                target=command.command_text[:200],
            )
        return function

    def _listed(self) -> Iterator[PSCustomObject]:
        for function in self._served.values():
            yield PSCustomObject(
                PSTypeName="System.Management.Automation.FunctionInfo",
                Name=function.name,
                CommandType="Function",
                ModuleName=MODULE,
                Parameters=[p.name for p in function.parameters],
            )

    def _write(self, run: _Run, outputs: Iterable[PSCustomObject]) -> None:
        for value in outputs:
            with self._lock:
                if run.is_over:
                    return
                run.pipeline.write_output(value)
                messages = self._pool.drained()
            self._deliver(messages)

    def _end(self, run: _Run, failure: AgentError | None, name: str | None) -> None:
        with self._lock:
            if run.is_over:
                return
            run.is_over = True
            if failure is None:
                run.pipeline.complete()
            else:
                run.pipeline.fail(error_record(failure, name))
            messages = self._pool.drained()
        self._deliver(messages)
        self._output.finished(run.command_id)

    def _deliver(self, messages: Iterable[PSRPMessage]) -> None:
        for message in messages:
            target = None if message.pipeline_id is None else str(message.pipeline_id).upper()
            for fragment in fragments(message, self._fragment_bytes):
                self._output.deliver(target, fragment)


def _name(command: psrpcore.Command) -> str:
    return command.command_text.rpartition("\\")[2].lower()
