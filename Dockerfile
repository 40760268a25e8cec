# The PulmoMAP MONAI Application Package (MAP). docs/container.md describes building and running it.
#
#   docker build --tag pulmomap:0.1.0 .
#   docker build --tag pulmomap:0.1.0-cuda --build-arg FLAVOUR=cuda --build-arg TORCH_INDEX= .
#
# Offline or behind a mirror: --secret id=pipconf,src=pip.conf, --secret id=ca,src=ca-certificates.crt and
# --build-arg WHEELS=IMAGE (an image that holds wheels at its root). None of them leaves a trace in the image.

ARG BASE=debian:bookworm-slim
ARG FLAVOUR=cpu
ARG WHEELS=scratch

FROM ${WHEELS} AS wheels

# What both the build and the image need: Python, OpenMP and an init.
FROM ${BASE} AS python
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libgomp1 python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
    && rm -rf /usr/share/doc /usr/share/man /usr/share/locale

# The Python packages, exact, without what never runs.
FROM python AS packages
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
ARG FLAVOUR
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY container/requirements-${FLAVOUR}.lock /build/requirements.lock
RUN --mount=type=bind,from=wheels,target=/opt/wheels \
    --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-compile --no-deps --disable-pip-version-check --progress-bar off \
       ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} --requirement /build/requirements.lock
COPY container/prune.py /build/
# The first start of Python lets the Holoscan wheel make its links, for which it needs the pip that is pruned after.
# ITK's wrappers are left uncompiled: 60 MB of bytecode for a library that only the training door opens.
RUN packages=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && python3 /build/prune.py "${packages}" \
    && rm -f /opt/venv/bin/pip* \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/itk/|/py312_intrinsics' "${packages}"

# The bill of materials: Python packages as CycloneDX, Debian packages as a list.
FROM packages AS sbom
COPY container/requirements-sbom.lock /build/
RUN --mount=type=bind,from=wheels,target=/opt/wheels \
    --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /opt/cyclonedx \
    && /opt/cyclonedx/bin/pip install --no-cache-dir --no-deps --disable-pip-version-check --progress-bar off \
       --requirement /build/requirements-sbom.lock
RUN /opt/cyclonedx/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
    --output-file /build/sbom.cdx.json /opt/venv/bin/python

# The MAP's files. Dockerfile.dockerignore lists all that the build may see.
FROM packages AS map
ARG FLAVOUR
COPY . /source/
RUN mkdir -p /map/etc/holoscan /map/opt/holoscan/app /map/var/holoscan/input /map/var/holoscan/output \
        /map/var/holoscan/logs /map/var/run/holoscan/export \
    && cd /source \
    && /opt/venv/bin/python container/manifests.py app.yaml models ${FLAVOUR} /map/etc/holoscan \
    && cp app.yaml container/tools /map/var/holoscan/ \
    && mv models docs /map/opt/holoscan/ \
    && mv LICENSE README.md CHANGELOG.md /map/opt/holoscan/docs/ \
    && rm -rf container Dockerfile \
    && mv * /map/opt/holoscan/app/ \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /map/opt/holoscan/app
COPY --from=sbom /build/sbom.cdx.json /map/opt/holoscan/docs/

FROM python
ARG BASE
ARG FLAVOUR
ARG VERSION=0.1.0
LABEL base="${BASE}" \
      tag="pulmomap:${VERSION}" \
      org.opencontainers.image.title="PulmoMAP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.description="Pulmonary arteries and veins around a nodule, from non-contrast CT" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.nvidia.holoscan="4.2.0" \
      org.monai.deploy.app-sdk="4.0.0"
ENV HOLOSCAN_INPUT_PATH=/var/holoscan/input \
    HOLOSCAN_OUTPUT_PATH=/var/holoscan/output \
    HOLOSCAN_WORKDIR=/var/holoscan \
    HOLOSCAN_APPLICATION=/opt/holoscan/app \
    HOLOSCAN_TIMEOUT=0 \
    HOLOSCAN_MODEL_PATH=/opt/holoscan/models \
    HOLOSCAN_DOCS_PATH=/opt/holoscan/docs \
    HOLOSCAN_DOCS=/opt/holoscan/docs \
    HOLOSCAN_CONFIG_PATH=/var/holoscan/app.yaml \
    HOLOSCAN_APP_MANIFEST_PATH=/etc/holoscan/app.json \
    HOLOSCAN_PKG_MANIFEST_PATH=/etc/holoscan/pkg.json \
    HOLOSCAN_LOGS_PATH=/var/holoscan/logs \
    HOLOSCAN_LOGS=/var/holoscan/logs \
    HOLOSCAN_VERSION=4.2.0
# The root is read-only and the user may be any number: what libraries cache goes to /tmp, and they ask USER and HOME
# instead of /etc/passwd. The working directory is no place to import from.
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/holoscan/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=holoscan \
    CUPY_CACHE_DIR=/tmp/cupy \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN taken=$(getent passwd 1000 | cut -d: -f1) \
    && if [ -n "${taken}" ]; then userdel "${taken}"; fi \
    && groupadd --gid 1000 holoscan \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin holoscan
COPY --from=packages /opt/venv /opt/venv
COPY --from=map --chown=1000:1000 /map/var/holoscan /var/holoscan
COPY --from=map /map/etc /etc
COPY --from=map /map/var/run/holoscan /var/run/holoscan
COPY --from=map /map/opt/holoscan /opt/holoscan
# `import monai` imports Holoscan, which links the CUDA runtime even where it only uses the CPU.
RUN dirname /opt/venv/lib/python3*/site-packages/nvidia/cu13/lib/libcudart.so.13 > /etc/ld.so.conf.d/cuda-runtime.conf \
    && ldconfig \
    && dpkg-query --show > /opt/holoscan/docs/debian-packages.txt
WORKDIR /var/holoscan
USER 1000:1000
ENTRYPOINT ["/var/holoscan/tools"]
