# The static binary and nothing else: `make image` builds both.
#
#   docker run --rm -v "$PWD:/project" --user "$(id -u):$(id -g)" token-refresher
#
# The project directory is mounted at /project; examples/ has a compose file and a Kubernetes manifest in
# which the tokens are the only volume. --user: token files are refreshed only by their owner.
FROM scratch
COPY target/x86_64-unknown-linux-musl/release/token-refresher /token-refresher
# The licenses of the crates in it.
COPY target/THIRD-PARTY /THIRD-PARTY
# A number, since there is no /etc/passwd; any but 0 will do.
USER 65532:65532
WORKDIR /project
# It never writes but to the project (or to where TOKEN_REFRESHER_TOKENS_DIR says), so --read-only is fine. The
# log goes to standard error, where `docker logs` finds it. Variables, so that the health check finds the
# same settings.
ENV TOKEN_REFRESHER_LOG_FILE=- TOKEN_REFRESHER_PID_FILE=-
# Whether its loop turns: a restart cures no sign-in, so no token makes it unhealthy.
HEALTHCHECK --interval=60s --timeout=5s --start-period=10s CMD ["/token-refresher", "check", "--alive"]
ENTRYPOINT ["/token-refresher"]
