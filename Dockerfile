# Two stages: one compiles and proves it, the other has neither compiler nor sources' tools.
#   docker build -t ponymq .
#   docker run -p 5672:5672 -p 15672:15672 -p 15692:15692 -v ponymq:/var/lib/ponymq \
#       -e PONYMQ_DEFAULT_USER=ann -e PONYMQ_DEFAULT_PASS=secret ponymq
# The broker listens on every address of the container, so it does not start with guest as its only user: name another,
# or set PONYMQ_ALLOW_ONLY_GUEST=true.

FROM python:3.13-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/ponymq && /opt/ponymq/bin/pip install --no-cache-dir --upgrade 'pip>=25.1'
WORKDIR /src
COPY pyproject.toml README.md ./
COPY broker broker
RUN CFLAGS=-fvisibility=hidden HATCH_BUILD_HOOK_ENABLE_MYPYC=1 /opt/ponymq/bin/pip install --no-cache-dir .
# From another directory: in /src the sources would be found before what was installed.
WORKDIR /
RUN /opt/ponymq/bin/ponymq --version | tee /dev/stderr | grep -q 'compiled: yes'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/ponymq --shell /usr/sbin/nologin ponymq \
    && install -d -o ponymq -g ponymq -m 0700 /var/lib/ponymq
COPY --from=build /opt/ponymq /opt/ponymq
ENV PATH=/opt/ponymq/bin:$PATH PONYMQ_BIND=0.0.0.0 PONYMQ_DATA_DIR=/var/lib/ponymq
USER ponymq
WORKDIR /var/lib/ponymq
VOLUME /var/lib/ponymq
EXPOSE 5672 15672 15692
STOPSIGNAL SIGTERM
CMD ["ponymq"]
