"""Runs LocalStack as a plain process: without a container, on loopback only, with functions as processes.

test/localstack/servers/localstack.ts sets the environment. The changes to LocalStack are made here, before it is
imported, and each says what it is for. They are checked for LocalStack 4.13.1 and no other version.
"""

import functools
import os
import subprocess
import sys
import tempfile
import threading

TEMPORARY = os.environ["MILLRACE_TEMPORARY"]
DYNAMODB_LOCAL = os.environ["MILLRACE_DYNAMODB_LOCAL"]


def make_lock_a_class():
    """LocalStack writes the type `Lock | None`; before Python 3.13 a lock's constructor is a function, which has no `|`."""
    if sys.version_info >= (3, 13):
        return
    allocate = threading.Lock

    class Lock:
        def __new__(cls):
            return allocate()

    threading.Lock = Lock


def keep_files_here():
    """Not by TMPDIR, which LocalStack takes for a setting of its own; and S3 has one fixed folder for all LocalStacks."""
    tempfile.tempdir = TEMPORARY
    from localstack.services.s3 import provider

    provider.DEFAULT_S3_TMP_DIR = os.path.join(TEMPORARY, "s3")


def listen_on_loopback_only():
    """LocalStack drops the address from GATEWAY_LISTEN."""
    from twisted.internet import endpoints

    endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")


def route_services_before_requests_pass():
    """LocalStack takes a service for ready just before it has its routes, which it gets at its first request, however
    early it was loaded. What comes at the same time as that request would find no handler and be answered with 501."""
    from localstack.aws.handlers.service_plugin import ServiceLoader

    load = ServiceLoader.require_service
    routed = set()

    def require_service(loader, chain, context, response):
        name = context.service.service_name if context.service else None
        if name is None or name in routed:
            return
        with loader.service_locks[name]:
            load(loader, chain, context, response)
        routed.add(name)

    ServiceLoader.require_service = require_service


def run_functions_as_processes():
    """In place of the executor that starts containers. Its users take this name from its module when they are imported."""
    from localstack.services.lambda_.invocation import runtime_executor

    def get_runtime_executor():
        from process_executor import ProcessExecutor

        return ProcessExecutor

    runtime_executor.get_runtime_executor = get_runtime_executor
    from localstack.services.lambda_.invocation import execution_environment, version_manager

    for user in (execution_environment, version_manager):
        if user.get_runtime_executor is not get_runtime_executor:
            sys.exit(f"{user.__name__} has the executor that starts containers")


def run_dynamodb_from_jars():
    """LocalStack would download DynamoDB Local, a Java runtime and an agent that allows more indexes than AWS does."""
    from localstack.services.dynamodb import server
    from localstack.utils.run import ShellCommandThread

    class JavaProcess(ShellCommandThread):
        def do_run_cmd(self):
            # LocalStack would give it a session of its own; in this group it ends with everything else.
            self.process = subprocess.Popen(self.cmd, stdin=subprocess.DEVNULL)
            self.started.set()
            self.process.wait()

    def start(self):
        command = [
            "java",
            f"-Xmx{self.heap_size}",
            "-XX:+UseSerialGC",
            f"-Djava.library.path={DYNAMODB_LOCAL}",
            f"-Djava.io.tmpdir={TEMPORARY}",
            "-cp",
            os.path.join(DYNAMODB_LOCAL, "*"),
            "software.amazon.dynamodb.services.local.main.ServerRunner",
            "-inMemory",
            "-disableTelemetry",
            "-port",
            str(self.port),
        ]
        thread = JavaProcess(command, auto_restart=True, name="dynamodb-local")
        thread.start()
        return thread

    server.DynamodbServer.do_start_thread = start


if __name__ == "__main__":
    make_lock_a_class()
    route_services_before_requests_pass()
    run_functions_as_processes()
    keep_files_here()
    listen_on_loopback_only()
    run_dynamodb_from_jars()
    from localstack.runtime.main import main

    main()
