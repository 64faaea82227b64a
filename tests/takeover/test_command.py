"""`isthmus import`, and what a client of the old site finds afterwards: the old password, the old key, the old balance."""

from __future__ import annotations

from pathlib import Path

from tests.integration.house import Member, free_port, http, process, run, serve, wait_for
from tests.takeover import newapi


def test_clients_go_on_as_before(tmp_path: Path) -> None:
    port = free_port()
    with process("front.sandbox", "--port", str(port)) as child:
        sandbox = f"http://127.0.0.1:{port}"
        wait_for(sandbox + "/v1/models", child)
        old, data = newapi.make_sqlite(tmp_path / "one-api.db", newapi.rows(sandbox)), str(tmp_path / "data")
        dry = run("import", "--from", old, "--data", data, "--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert "nothing was written" in dry.stdout
        real = run("import", "--from", "sqlite://" + old, "--data", data)
        assert real.returncode == 0, real.stderr
        assert "the same" in real.stdout
        again = run("import", "--from", old, "--data", data)
        assert again.returncode == 0, again.stderr
        assert "users: 5 rows, 0 taken, 5 taken before" in again.stdout
        with serve(tmp_path / "data") as made:
            signed = {}
            for name in ("ada", "root"):
                body = {"username": name, "password": newapi.PASSWORD}
                # The second time the hash is argon2's.
                for _ in range(2):
                    reply = http("POST", made.base + "/api/user/login", body)
                    assert reply.json()["success"], reply.body
                signed[name] = reply.json()["data"]["id"]
            assert signed == {"ada": 2, "root": 1}
            made.root_id, made.access_token = 1, newapi.ACCESS_TOKEN
            ada = made.manage("GET", "/api/user/2")
            assert (ada["quota"], ada["used_quota"]) == (2_147_483_647, 1_234_567)
            assert made.manage("GET", "/api/token/?p=1&page_size=10", who=Member(1, newapi.ACCESS_TOKEN))["items"] == []

            answer = made.chat("sk-" + newapi.KEY)
            assert answer.status == 200, answer.body
            cost = made.line(answer.headers["x-request-id"])["quota"]
            assert cost > 0
            made.money()
            assert made.manage("GET", "/api/user/2")["quota"] == 2_147_483_647 - cost
            models = http("GET", made.base + "/v1/models", headers={"Authorization": f"Bearer sk-{newapi.KEY}"}).json()
            assert {model["id"] for model in models["data"]} == {"gpt-4o", "gpt-4o-mini"}
            for secret, status in ((newapi.SPENT_KEY, 401), (newapi.DEBT_KEY, 401), (newapi.GONE_KEY, 401)):
                assert made.chat("sk-" + secret).status == status
            assert not http("POST", made.base + "/api/setup", {"username": "x", "password": "y" * 10}).json()["success"]


def test_what_cannot_be_read_is_said_without_the_password(tmp_path: Path) -> None:
    for source in (
        "u:very-secret@tcp(127.0.0.1:1)/n",
        "mysql://u:very-secret@127.0.0.1:x/n",
        str(tmp_path / "none.db"),
    ):
        ended = run("import", "--from", source, "--data", str(tmp_path / "data"))
        assert ended.returncode == 1
        assert ended.stderr.startswith("isthmus: ")
        assert "very-secret" not in ended.stderr + ended.stdout
    own = str(tmp_path / "data")
    assert run("migrate", "--data", own).returncode == 0
    ended = run("import", "--from", str(tmp_path / "data" / "isthmus.db"), "--data", str(tmp_path / "other"))
    assert ended.returncode == 1
    assert "a database of Isthmus" in ended.stderr
