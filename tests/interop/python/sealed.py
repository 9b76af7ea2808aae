"""Opens and seals members of token files with joserfc, for tests/interop_sealed.rs.

A request is a line of JSON on standard input: {"key", "open"} gives {"plain", "header"}, {"key", "seal", "header"} gives
{"text"}; an error gives {"error"}.
"""

import json
import sys

from joserfc import jwe
from joserfc.jwk import OctKey

# The members of our own are no registered parameters.
REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256GCM"], strict_check_header=False)


def answer(asked: dict) -> dict:
    key = OctKey.import_key({"kty": "oct", "k": asked["key"]})
    if "open" in asked:
        opened = jwe.decrypt_compact(asked["open"], key, registry=REGISTRY)
        return {"plain": opened.plaintext.decode(), "header": opened.headers()}
    return {"text": jwe.encrypt_compact(asked["header"], asked["seal"].encode(), key, registry=REGISTRY)}


for line in sys.stdin:
    try:
        said = answer(json.loads(line))
    except Exception as error:  # Whatever the library says is the answer.
        said = {"error": repr(error)}
    print(json.dumps(said), flush=True)
