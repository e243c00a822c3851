# Four images: the server (the last stage, so the default), the same for GPUs, NVIDIA's Triton with
# our flags, and training.  docs/operations.md tells how each is built and run.
#   docker build --target server --tag alexnet-server .
# None runs as root, and each runs with --read-only.  Pin PYTHON_IMAGE and TRITON_IMAGE by digest
# (python:3.13-slim@sha256:...); what pip installs is pinned by version in constraints.txt.
ARG PYTHON_IMAGE=python:3.13-slim
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.10-py3

FROM ${PYTHON_IMAGE} AS tools
WORKDIR /build
COPY constraints.txt ./
RUN python -m venv /opt/alexnet \
    && /opt/alexnet/bin/pip install --no-cache-dir --constraint constraints.txt pip setuptools
COPY server ./server

# EXTRA=serve-triton leaves OpenVINO out, where a Triton runs the model.  What installs is taken out
# again: nothing is installed in a container that serves.
FROM tools AS build
ARG EXTRA=serve
RUN /opt/alexnet/bin/pip install --no-cache-dir --no-build-isolation --constraint constraints.txt "./server[${EXTRA}]" \
    && /opt/alexnet/bin/pip uninstall --yes setuptools pip

# CUDA and cuDNN come as NVIDIA's wheels; of the host only the driver is needed.
FROM tools AS build-gpu
RUN /opt/alexnet/bin/pip install --no-cache-dir --no-build-isolation --constraint constraints.txt "./server[serve-gpu]" \
    && /opt/alexnet/bin/pip uninstall --yes setuptools pip

FROM tools AS build-train
COPY export ./export
COPY client ./client
COPY training ./training
RUN /opt/alexnet/bin/pip install --no-cache-dir --no-build-isolation --constraint constraints.txt \
    ./server "./export[prove]" ./client ./training

FROM ${PYTHON_IMAGE} AS user
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin alexnet \
    && install --directory --owner=alexnet --mode=0700 /var/lib/alexnet
# From 1.29 on ONNX Runtime reports to its makers, from its import on, unless this is set.
ENV PATH=/opt/alexnet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
WORKDIR /var/lib/alexnet
STOPSIGNAL SIGTERM

# Photos and runs are a folder mounted at /work, of whoever --user names.
FROM user AS train
COPY --from=build-train /opt/alexnet /opt/alexnet
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
USER 10001
WORKDIR /work
ENTRYPOINT ["alexnet-train"]
CMD ["--help"]

# Nothing is added to NVIDIA's image; its own entry point finds CUDA for older drivers.
FROM ${TRITON_IMAGE} AS triton
USER 1000:1000
EXPOSE 8001
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
    CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/health/ready"]
ENTRYPOINT ["/opt/nvidia/nvidia_entrypoint.sh", "tritonserver", "--model-repository=/serving/model_repository", "--disable-auto-complete-config", "--strict-readiness=true", "--exit-on-error=true", "--http-address=127.0.0.1", "--allow-metrics=false"]
# What is written after the image's name stands in this one's place.
CMD ["--model-control-mode=none"]

FROM user AS serving
USER 10001
VOLUME /var/lib/alexnet
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["alexnet-server"]
# Beyond loopback it starts only with keys: --keys FILE (docs/keys.md).
CMD ["serve", "--host", "0.0.0.0", "--repository", "/serving/model_repository", "--index", "sqlite:////var/lib/alexnet/index.sqlite"]

FROM serving AS server-gpu
COPY --from=build-gpu /opt/alexnet /opt/alexnet
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM serving AS server
COPY --from=build /opt/alexnet /opt/alexnet
