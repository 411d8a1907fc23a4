"""`serve` for real: a process of its own, on a free port, until it is told to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from tests.cli.conftest import POLICY, Run, Serve
from tests.cli.test_keys import KEYED

FIRST_MINUTES = {"x-api-key": "demo-key-for-local-use-only"}


def test_the_first_five_minutes(serve: Serve, here: Path) -> None:
    def gatewaykit(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatewaykit", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)

    assert gatewaykit("init").returncode == 0
    server = serve("api.yaml")
    assert server.said["demo_key"] == FIRST_MINUTES["x-api-key"]

    without = server.get("/hello")
    assert (without.status_code, without.text) == (403, '{"message":"Forbidden"}')
    explained = gatewaykit("explain", "api.yaml", "GET", "/hello")
    assert explained.stdout.splitlines()[0] == (
        "denied: this method needs an API key (header x-api-key); the route is fine"
    )
    six = [server.get("/hello", headers=FIRST_MINUTES) for _ in range(6)]
    assert [each.status_code for each in six] == [200, 200, 200, 200, 200, 429]
    assert six[0].json() == {"message": "Hello, 127.0.0.1"}

    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        capture_output=True, text=True, check=False, cwd=here,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout

    code, _, err = server.stop()
    assert (code, err.count("\n")) == (0, 7)  # a line of the access log for every request


def test_what_it_says_is_for_a_person_where_json_was_not_asked_for(here: Path) -> None:
    subprocess.run([sys.executable, "-m", "gatewaykit", "init"], check=True, capture_output=True, cwd=here)
    command = [sys.executable, "-m", "gatewaykit", "serve", "api.yaml", "--port", "0", "--log", "off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith("  curl"):
                break
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    assert said[0].endswith(": api.yaml")
    assert any(line.startswith("  URL         http://127.0.0.1:") for line in said)
    assert "  Demo key    demo-key-for-local-use-only  (header x-api-key)" in said
    assert said[-1].startswith("  curl -H 'x-api-key: demo-key-for-local-use-only' http://127.0.0.1:")
    url = said[-1].split()[-1]
    assert url.endswith("/hello")


def test_an_accepted_key_does_not_stop_it_and_is_said(serve: Serve) -> None:
    server = serve("shop.yaml", *POLICY, "--function", "orders=shop_handlers:orders", "--log", "off")

    assert (server.said["counts"]["ignored"], server.said["counts"]["unknown"]) == (1, 1)
    assert server.get("/pets/7").text == "7"
    assert server.stop()[0] == 0


def test_a_sidecar_with_policies_of_a_configuration(serve: Serve, here: Path) -> None:
    back_end = serve("shop.yaml", *POLICY, "--log", "off")
    (here / "gateway.yaml").write_text(
        "policies:\n  - access_log: {format: $context.status $context.path, sink: access.log}\n"
        "  - rule: GET /hello\n    policies: [{throttle: {rate: 0, burst: 1, key: address}}]\n"
    )
    sidecar = serve("--upstream", back_end.said["url"], "--config", "gateway.yaml")

    assert [sidecar.get("/hello").status_code for _ in range(2)] == [200, 429]
    assert sidecar.get("/nowhere").status_code == 403
    assert sidecar.stop()[0] == 0
    assert (here / "access.log").read_text() == "200 /hello\n429 /hello\n403 /nowhere\n"


def test_several_apis_have_paths_of_their_own(serve: Serve, here: Path) -> None:
    (here / "gateway.yaml").write_text(
        "apis:\n"
        "  shop: {definition: shop.yaml, path: /shop, accept: [x-amazon-apigateway-security-policy], stage: blue}\n"
        "  other: {definition: shop.yaml, path: /shop/other, accept: [x-amazon-apigateway-security-policy]}\n"
    )
    server = serve("gateway.yaml", "--log", "off")

    assert server.get("/shop/hello").json() == {"stage": "blue"}
    assert server.get("/shop/other/hello").json() == {"stage": "prod"}
    nowhere = server.get("/shopping/hello")
    assert (nowhere.status_code, nowhere.text) == (403, '{"message":"Forbidden"}')
    assert nowhere.headers["x-amzn-errortype"] == "ForbiddenException"
    assert server.stop()[0] == 0


def test_forwarded_addresses_are_not_believed_without_the_setting(serve: Serve, here: Path) -> None:
    (here / "shop_handlers.py").write_text(
        "def orders(event, context):\n    return {'body': event['requestContext']['identity']['sourceIp']}\n"
    )
    bound = ("shop.yaml", *POLICY, "--function", "orders=shop_handlers:orders", "--log", "off")
    (here / "gateway.yaml").write_text("trusted_proxies: [127.0.0.1]")
    forwarded = {"x-forwarded-for": "203.0.113.7"}

    assert serve(*bound).get("/pets/1", headers=forwarded).text == "127.0.0.1"
    assert serve(*bound, "--config", "gateway.yaml").get("/pets/1", headers=forwarded).text == "203.0.113.7"


def test_header_names_reach_a_function_as_they_were_sent(serve: Serve, here: Path) -> None:
    (here / "shop_handlers.py").write_text(
        "def orders(event, context):\n    return {'body': ' '.join(sorted(event['headers']))}\n"
    )
    server = serve("shop.yaml", *POLICY, "--function", "orders=shop_handlers:orders", "--log", "off")
    port = int(server.said["url"].rpartition(":")[2])

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /pets/1 HTTP/1.1\r\nHost: h\r\nX-MiXed: 1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"X-MiXed" in answer


def test_an_ipv6_address_is_written_in_brackets(serve: Serve) -> None:
    server = serve("shop.yaml", *POLICY, "--host", "::1", "--log", "off")

    assert server.said["url"].startswith("http://[::1]:")
    assert server.get("/hello").status_code == 200


def test_responses_carry_a_date_and_do_not_name_the_server(serve: Serve) -> None:
    headers = serve("shop.yaml", *POLICY, "--log", "off").get("/hello").headers

    assert "date" in headers
    assert "server" not in headers


def test_a_request_in_flight_is_finished_before_it_stops(serve: Serve, here: Path) -> None:
    """The handler says that it runs, and waits to be told to go on, through named pipes."""
    os.mkfifo(here / "started")
    os.mkfifo(here / "go")
    (here / "shop_handlers.py").write_text(
        "def orders(event, context):\n"
        "    open('started', 'w').close()\n"
        "    with open('go') as told:\n"
        "        return {'body': told.read()}\n"
    )
    server = serve("shop.yaml", *POLICY, "--function", "orders=shop_handlers:orders", "--log", "off")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(server.get, "/pets/1")
        (here / "started").open().close()

        server.process.send_signal(signal.SIGTERM)
        (here / "go").write_text("done")

        assert answer.result().text == "done"
    server.process.communicate(timeout=30)
    assert server.process.returncode == -signal.SIGTERM


def test_who_will_not_wait_for_it_is_told_so_in_a_line(serve: Serve, here: Path) -> None:
    os.mkfifo(here / "started")
    (here / "shop_handlers.py").write_text(
        "import asyncio\n"
        "async def orders(event, context):\n"
        "    open('started', 'w').close()\n"
        "    await asyncio.Event().wait()\n"
    )
    server = serve("shop.yaml", *POLICY, "--function", "orders=shop_handlers:orders", "--log", "off")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(server.get, "/pets/1")
        (here / "started").open().close()

        server.process.send_signal(signal.SIGINT)
        while not _refuses(server.said["url"]):  # it has taken the first
            pass
        code, _, said = server.stop(signal.SIGINT)

        assert answer.exception() is not None or answer.result().status_code == 500
    assert (code, "Traceback" in said) == (0, False)
    assert said.count("a request was cut off: the server stops") == 1


def _refuses(url: str) -> bool:
    try:
        with httpx2.Client(trust_env=False) as client:
            client.get(url)
    except httpx2.HTTPError:
        return True
    return False


def test_what_it_cannot_say_does_not_stop_it(here: Path, free_port: int) -> None:
    command = [sys.executable, "-m", "gatewaykit", "serve", "shop.yaml", *POLICY, "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here) as process:
        assert process.stdout is not None
        process.stdout.close()
        with httpx2.Client(trust_env=False, transport=httpx2.HTTPTransport(retries=12)) as client:
            answer = client.get(f"http://127.0.0.1:{free_port}/hello")
        process.send_signal(signal.SIGINT)

    assert (answer.status_code, process.returncode) == (200, 0)


def test_a_key_that_is_revoked_while_it_runs_is_refused_soon(serve: Serve, run: Run, here: Path) -> None:
    (here / "keyed.yaml").write_text(KEYED)
    made = json.loads(run("keys", "create", "acme", "--json").out)
    server = serve("keyed.yaml", "--keys", "keys.json")
    header = {"x-api-key": made["value"]}
    assert server.get("/hello", headers=header).status_code == 200

    run("keys", "revoke", "acme")

    until = time.monotonic() + 20
    while server.get("/hello", headers=header).status_code == 200 and time.monotonic() < until:
        time.sleep(0.1)  # the interval is a real server's
    assert server.get("/hello", headers=header).status_code == 403
