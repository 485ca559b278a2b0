# Two stages: the wheel is built where the compilers are, and installed where they are not.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.lock requirements-build.lock ./
# Whatever comes from a registry comes by its hash: what builds the wheel, and what runs beside it.
RUN python -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock \
 && python -m venv /opt/lro-gateway \
 && /opt/lro-gateway/bin/pip install --no-cache-dir --no-compile --require-hashes --requirement requirements.lock
COPY gateway ./gateway
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/lro-gateway/bin/pip install --no-cache-dir --no-compile --no-deps --no-index /wheels/*.whl \
 && /opt/lro-gateway/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="lro-gateway" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.description="Turns Microsoft Graph's 202 + monitor URL into a plain 200 with the finished item"
# A fixed, unprivileged user: nothing in the image belongs to it, so a read-only root file system is fine.
RUN groupadd --system --gid 65532 gateway && useradd --system --uid 65532 --gid 65532 --no-create-home gateway
COPY --from=build /opt/lro-gateway /opt/lro-gateway
COPY config/gateway.yaml /etc/lro-gateway/gateway.yaml
ENV PATH=/opt/lro-gateway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
# The admin listener stays on the container's loopback; the check asks it from inside.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9901/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
# exec form: the gateway is process 1 and gets the signal itself
ENTRYPOINT ["lro-gateway"]
CMD ["run", "--config", "/etc/lro-gateway/gateway.yaml"]
