# One image for both sides: `rowmill service`, `rowmill consumer`, or `rowmill up`, which is both in one process.
# It takes BuildKit, the builder of Docker since 23; before: DOCKER_BUILDKIT=1 docker build .

# The one with a C compiler: what it makes of consumer/native needs none to run.
FROM python:3.13 AS build
WORKDIR /src
# Without a pip of its own, which nothing needs once it is made.
RUN python -m venv --without-pip /opt/rowmill
# Before the code, so that these layers stay as they are while only the code changes. A package index of your own, and
# the authority that signs it, come as secrets and stay in no layer:
# docker build --secret id=pip.conf,src=… --secret id=ca.pem,src=… . ("cert = /run/secrets/ca.pem" in the first)
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem \
    pip --python /opt/rowmill/bin/python install --require-hashes --requirement requirements.lock
# The rest is what .dockerignore lets through.
COPY . .
RUN pip --python /opt/rowmill/bin/python install --no-cache-dir --no-deps --no-build-isolation --no-index .

FROM python:3.13-slim
# A number that is no user's on the host, and folders that are its own: a new volume takes their owner over.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data rowmill \
    && install --directory --owner rowmill --group rowmill --mode 700 /data /files /records
COPY --from=build /opt/rowmill /opt/rowmill
ENV PATH=/opt/rowmill/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ROWMILL_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["rowmill", "health"]
ENTRYPOINT ["rowmill"]
CMD ["up"]
