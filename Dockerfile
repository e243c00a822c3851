# The server: no PyTorch, no compiler, not root.
#   docker build --target server --tag alexnet-server .
# EXTRA=serve-triton leaves OpenVINO out, where a Triton runs the model.  Pin PYTHON_IMAGE by
# digest (python:3.13-slim@sha256:...); what pip installs is pinned by version in constraints.txt.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG EXTRA=serve
WORKDIR /build
COPY constraints.txt ./
COPY server ./server
RUN python -m venv /opt/alexnet \
    && /opt/alexnet/bin/pip install --no-cache-dir --constraint constraints.txt "./server[${EXTRA}]"

FROM ${PYTHON_IMAGE} AS server
RUN useradd --system --uid 10001 --no-create-home alexnet \
    && install --directory --owner=alexnet --mode=0700 /var/lib/alexnet
COPY --from=build /opt/alexnet /opt/alexnet
ENV PATH=/opt/alexnet/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/alexnet
VOLUME /var/lib/alexnet
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["alexnet-server"]
# Beyond loopback it starts only with keys: --keys FILE (docs/keys.md).
CMD ["serve", "--host", "0.0.0.0", "--repository", "/serving/model_repository", "--index", "sqlite:////var/lib/alexnet/index.sqlite"]
