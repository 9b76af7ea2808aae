"""django-oauth-toolkit as its documentation sets it up, with its database in one file, so that it outlives a restart.

Refresh tokens rotate; one that comes a second time after GRACE seconds ends its sign-in. Sign-ins come from the
resource owner password grant, since no browser is there.

django_toolkit.py STATE PORT GRACE
"""

import logging
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import include, path

import serve

CLIENTS = {"post": "confidential", "basic client: 100%": "confidential", "public": "public"}
SECRET = "a secret: 100% & more"

settings.configure(
    SECRET_KEY="for this test only",
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(sys.argv[1]) / "django.sqlite3",
            # A transaction takes its lock at once: two that read first and then write fail each other in SQLite.
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=[f"{__name__}.watch"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
    # The quickest hash: a test signs in often.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": int(sys.argv[3]),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "SCOPES": {"read": "read"},
    },
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402


SEEN = set()
REUSES = []


def watch(answer):
    """A middleware that counts refresh tokens that come a second time."""

    def view(request):
        token = request.POST.get("refresh_token")
        if token in SEEN:
            REUSES.append(token)
        if token:
            SEEN.add(token)
        return answer(request)

    return view


def counts(request):
    token = AccessToken.objects.filter(token=request.GET.get("token", "")).first()
    spent = RefreshToken.objects.filter(revoked__isnull=False).count()
    good = token is not None and token.is_valid()
    return JsonResponse({"grants": spent, "reuses": len(REUSES), "good": good})


urlpatterns = [path("o/", include("oauth2_provider.urls")), path("counts", counts)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main():
    # It warns of the password grant.
    logging.getLogger("oauth2_provider").setLevel(logging.ERROR)
    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_user("person", password="person")
        for name, kind in CLIENTS.items():
            secret = SECRET if kind == "confidential" else ""
            Application.objects.create(
                name=name, client_id=name, client_secret=secret, client_type=kind, authorization_grant_type="password"
            )
    listener = serve.listen(int(sys.argv[2]))
    server = Server(listener.getsockname(), Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(get_wsgi_application())
    base = f"http://127.0.0.1:{server.server_port}"
    serve.end_with_standard_input()
    serve.say(base=base, token_endpoint=f"{base}/o/token/", secret=SECRET)
    server.serve_forever()


main()
