# The static program and nothing else. From a fresh clone, with nothing but Docker:
#
#   docker build -t token-refresher .
#   docker run --rm -v "$PWD:/project" --user "$(id -u):$(id -g)" token-refresher
#
# `make image` packs a program that `make static` has built, and downloads nothing.
#
# The project directory is mounted at /project; examples/ has a compose file and a Kubernetes manifest in
# which the tokens are the only volume. --user: token files are refreshed only by their owner.

# Where the program comes from: `source` compiles it, `prebuilt` takes what is in target/.
ARG BUILD=source
# On Alpine Linux, Rust's own target is musl, and programs are static.
ARG RUST_IMAGE=docker.io/library/rust:1.95-alpine

FROM ${RUST_IMAGE} AS source
RUN apk add --no-cache musl-dev gcc
WORKDIR /src
COPY . .
RUN cargo build --release --locked \
 && mkdir /out && cp target/release/token-refresher /out/ \
 && cargo run --locked --quiet --example third_party > /out/THIRD-PARTY

FROM scratch AS prebuilt
COPY target/x86_64-unknown-linux-musl/release/token-refresher /out/token-refresher
# The licenses of the crates in it.
COPY target/THIRD-PARTY /out/THIRD-PARTY

FROM ${BUILD} AS built

FROM scratch
COPY --from=built /out/ /
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
