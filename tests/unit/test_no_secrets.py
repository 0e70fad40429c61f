"""No secret can get into the repository: where they lie is ignored, and no file that is kept has one."""

from __future__ import annotations

import re
import subprocess

import pytest

import passwords
from settings import ROOT

SECRET = re.compile(
    r"""-----BEGIN[ A-Z]*PRIVATE\ KEY                                              # a key
    | (?i:password|passwd|secret|token|api_?key)["']?\s*[:=]\s*["'][\w+/=-]{16,}["']   # a value that nobody would type
    | ://[^/\s:@{}]+:[^/\s:@{}]+@                                               # a password in an address
    """,
    re.VERBOSE,
)


def git(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", [".env", *(f".local/state/secrets/{name}" for name in passwords.NAMES)])
def test_where_secrets_lie_is_ignored(path: str) -> None:
    assert git("check-ignore", "--quiet", path).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        'password = "uY3b0xk2Qk9mB7Zr"',
        '{"api_key": "0123456789abcdef0123"}',
        "mysql://spark:hunter2@127.0.0.1/shop",
    ],
)
def test_a_secret_is_found(text: str) -> None:
    assert SECRET.search(text)


def test_no_kept_file_has_a_secret() -> None:
    names = git("ls-files", "-z").stdout.split("\0")[:-1]
    assert len(names) > 100
    texts = {name: (ROOT / name).read_bytes().decode("utf-8", "replace") for name in names if (ROOT / name).exists()}
    texts.pop("tests/unit/test_no_secrets.py", None)
    found = {name: match[0][:60] for name, text in texts.items() if (match := SECRET.search(text))}
    assert found == {}
