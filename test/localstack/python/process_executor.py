"""Runs Lambda functions for LocalStack as processes instead of containers.

One ProcessExecutor is one execution environment: a Runtime API (version 2018-06-01) on a loopback port, and a process
with AWS's runtime client and the handler that fetches its work there.

    LocalStack            ProcessExecutor              the process
    invoke(payload)  -->  open a Call          <--     GET  invocation/next
                          wait for its result  <--     POST invocation/<id>/response or error
                     <--  InvocationResult

MILLRACE_RUNTIME_CLIENT is the command line before the handler's name, as a JSON array.
"""

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

RUNTIME_CLIENT = json.loads(os.environ["MILLRACE_RUNTIME_CLIENT"])
PREFIX = "/2018-06-01/runtime/"
# Lambda allows a process ten seconds to start, on a processor of its own; here dozens may start on two of them.
INIT_SECONDS_MAX = 60
# Lambda's own limits for the payloads of a buffered call, which LocalStack does not hold.
REQUEST_BYTES_MAX = 6_291_456
RESPONSE_BYTES_MAX = 6_291_556
# What the handler printed last may still be in the pipe when its answer is here.
LAST_OUTPUT_SECONDS = 0.002


def failure(error_type, message):
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class Call:
    """One event on its way to the process and its result on the way back."""

    def __init__(self, payload, deadline):
        self.id = payload["invoke-id"]
        self.event = payload["payload"].encode()
        self.function_arn = payload["invoked-function-arn"]
        self.trace_id = payload["trace-id"]
        self.deadline = deadline
        self.body = None
        self.is_error = False
        self._finished = threading.Event()

    def finish(self, body, is_error):
        if not self._finished.is_set():
            self.body, self.is_error = body, is_error
            self._finished.set()

    def wait(self):
        """False if the deadline passes first."""
        return self._finished.wait(max(0, self.deadline - time.time()))


class FunctionProcess:
    """A process and the call it works on. It dies once; the next call after that needs another one."""

    def __init__(self, command, directory, variables):
        self._changed = threading.Condition()
        self._offered = None
        self.call = None
        self.init_error = None
        self.has_asked = False
        self.is_gone = False
        self._output = []
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        for line in self._process.stdout:
            self._output.append(line)
        status = self._process.wait()
        with self._changed:
            self.is_gone = True
            self.init_error = self.init_error or failure("Runtime.ExitError", f"Runtime exited with error: exit status {status}")
            if self.call:
                self.call.finish(self.init_error, True)
            self._changed.notify_all()

    def wait_until_it_asks(self):
        with self._changed:
            return self._changed.wait_for(lambda: self.has_asked or self.is_gone, INIT_SECONDS_MAX) and self.has_asked

    def offer(self, call):
        with self._changed:
            self.call = self._offered = call
            if self.is_gone:
                call.finish(self.init_error, True)
            self._changed.notify_all()

    def next_call(self):
        """Called by the process: blocks until there is work. None if there will be none."""
        with self._changed:
            self.has_asked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._offered or self.is_gone)
            call, self._offered = self._offered, None
            return None if self.is_gone else call

    def take_output(self):
        lines, self._output = self._output, []
        return "".join(lines)

    def kill(self):
        self._process.kill()
        self._process.wait()


class RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True
    process = None

    def handle_error(self, request, client_address):
        """A process that is killed resets its connection; its exit tells more."""


class RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path != PREFIX + "invocation/next":
            return self._answer(404, b"{}")
        call = self.server.process.next_call()
        if call is None:
            self.close_connection = True
            return None
        headers = {
            "lambda-runtime-aws-request-id": call.id,
            "lambda-runtime-deadline-ms": str(int(call.deadline * 1000)),
            "lambda-runtime-invoked-function-arn": call.function_arn,
            "lambda-runtime-trace-id": call.trace_id,
        }
        return self._answer(200, call.event, headers)

    def do_POST(self):
        process = self.server.process
        body = self._read_body()
        if self.path == PREFIX + "init/error":
            process.init_error = body
            return self._answer(202, b'{"status":"OK"}')
        request_id, _, kind = self.path.removeprefix(PREFIX + "invocation/").partition("/")
        call = process.call
        if call is None or call.id != request_id:
            return self._answer(400, failure("InvalidRequestID", "this is not the invocation under way"))
        self._answer(202, b'{"status":"OK"}')
        if len(body) > RESPONSE_BYTES_MAX:
            text = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            return call.finish(failure("Function.ResponseSizeTooLarge", text), True)
        return call.finish(body, kind == "error")

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _read_body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # Trailers.
        return body


class ProcessExecutor(RuntimeExecutor):
    _api = None
    _process = None
    _variables = None

    @classmethod
    def prepare_version(cls, function_version):
        runtime = function_version.config.runtime or "none"
        if not runtime.startswith("nodejs"):
            raise ValueError(f"only Node functions run here, not {runtime}")
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return "http://127.0.0.1"

    def get_logs(self):
        return self._process.take_output() if self._process else ""

    def start(self, env_vars):
        self._variables = {name: str(value) for name, value in env_vars.items() if value is not None}
        self._api = RuntimeApi(("127.0.0.1", 0), RuntimeApiHandler)
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        self._start_process()

    def stop(self):
        if self._process:
            self._process.kill()
        if self._api:
            threading.Thread(target=self._close_api, daemon=True).start()

    def _close_api(self):
        self._api.shutdown()
        self._api.server_close()

    def _start_process(self):
        config = self.function_version.config
        directory = str(config.code.get_unzipped_code_location())
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": "/tmp",
            "LANG": "en_US.UTF-8",
            **self._variables,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "LAMBDA_TASK_ROOT": directory,
        }
        self._process = self._api.process = FunctionProcess([*RUNTIME_CLIENT, variables["_HANDLER"]], directory, variables)
        if not self._process.wait_until_it_asks():
            late = failure("Sandbox.Timedout", f"the handler was not loaded after {INIT_SECONDS_MAX} seconds")
            error = self._process.init_error or late
            self._process.kill()
            raise StatusErrorException(f"the function does not start: {error.decode()}", payload=error)

    def invoke(self, payload):
        if len(payload["payload"]) > REQUEST_BYTES_MAX:
            text = f"Request must be smaller than {REQUEST_BYTES_MAX} bytes for the InvokeFunction operation"
            body = failure("RequestEntityTooLargeException", text)
            return InvocationResult(payload["invoke-id"], body, is_error=True, logs="")
        if self._process.is_gone:
            self._start_process()
        config = self.function_version.config
        started = time.time()
        call = Call(payload, started + config.timeout)
        self._process.offer(call)
        if not call.wait():
            text = f"RequestId: {call.id} Error: Task timed out after {config.timeout:.2f} seconds"
            call.finish(failure("Sandbox.Timedout", text), True)
            self._process.kill()
        seconds = time.time() - started
        time.sleep(LAST_OUTPUT_SECONDS)
        return InvocationResult(call.id, call.body, is_error=call.is_error, logs=self._log(call, seconds))

    def _log(self, call, seconds):
        version, config = self.function_version.id.qualifier, self.function_version.config
        milliseconds = seconds * 1000
        return (
            f"START RequestId: {call.id} Version: {version}\n"
            f"{self._process.take_output()}"
            f"END RequestId: {call.id}\n"
            f"REPORT RequestId: {call.id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {config.memory_size} MB\n"
        )
