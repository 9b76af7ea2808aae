# The static binary and nothing else: `make image` builds both.
#
#   docker run --rm -v "$PWD:/project" --user "$(id -u):$(id -g)" token-refresher
#
# The project directory is mounted at /project. --user: token files are refreshed only by their owner.
FROM scratch
COPY target/x86_64-unknown-linux-musl/release/token-refresher /token-refresher
# A number, since there is no /etc/passwd; any but 0 will do.
USER 65532:65532
WORKDIR /project
# The log goes to standard error, where `docker logs` finds it.
ENTRYPOINT ["/token-refresher", "--log-file", "-", "--pid-file", "-"]
