# The last stage holds Python and one virtual environment, which the stage before it built.
#   for CPUs:      docker build -t kshot .
#   for CUDA:      docker build -t kshot:cuda --build-arg DEVICE=cuda --build-arg TORCH_INDEX_URL=https://pypi.org/simple .
#   wheels at hand (torch, say): put them into ./wheels, which is searched beside the indexes;
#   no network:    put all of them there, and add --build-arg PIP_NO_INDEX=1
# Whatever is installed is of a version and a hash in requirements*.lock (`make lock`), wherever it was found.
FROM python:3.11-slim AS build
ARG DEVICE=cpu
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_NO_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_FIND_LINKS=/build/wheels PIP_REQUIRE_HASHES=1 PIP_NO_DEPS=1
WORKDIR /build
RUN python -m venv /opt/kshot
ENV PATH=/opt/kshot/bin:$PATH

# The brackets make wheels/ optional: COPY needs one match, and the locks are always there.
COPY requirements*.lock wheel[s]/* ./wheels/
# torch alone first: its index has no other package worth looking for, and need not be reachable where wheels/ has it.
RUN pip install --extra-index-url "${TORCH_INDEX_URL}" -r "wheels/requirements-${DEVICE}.lock"
RUN pip install -r wheels/requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY models ./models
COPY service ./service
COPY migrations ./migrations
# By the setuptools of the lock: an environment of its own would fetch another.
RUN PIP_REQUIRE_HASHES=0 pip install --no-build-isolation .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="kshot" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/kshot /opt/kshot

# Numeric, so that an orchestrator can tell that it is not root. /data is the only place written to, beside /tmp.
RUN install -d -o 10001 -g 10001 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
# Authentication is off as long as whoever runs the container chooses which of its ports to publish, and to whom: every
# example publishes to this machine alone. Publish to others with KSHOT_AUTH=on (docs/keys.md).
ENV PATH=/opt/kshot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    KSHOT_DATABASE_URL=sqlite+aiosqlite:////data/kshot.db \
    KSHOT_AUTH=off
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["kshot", "serve", "--host", "0.0.0.0", "--port", "8000"]
