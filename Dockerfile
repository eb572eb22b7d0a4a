# The worker: serves the task queue of the Temporal server that TEMPORAL_ADDRESS names.
# `make pin` has each image stand here by its digest.
FROM python:3.12-slim AS build

RUN python -m venv /opt/taskflow
ENV PATH=/opt/taskflow/bin:$PATH
WORKDIR /build
COPY requirements-image.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-image.lock
COPY pyproject.toml hatch_build.py README.md LICENSE starter.py worker.py ./
COPY temporal_taskflow ./temporal_taskflow
COPY grammar ./grammar
COPY workflows ./workflows
COPY activities ./activities
COPY runtime ./runtime
COPY console ./console
COPY pictures ./pictures
COPY commands ./commands
COPY taskflows ./taskflows
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

# What runs: the packages, and none of what made them.
FROM python:3.12-slim

RUN apt-get update && apt-get install -y --no-install-recommends bash bubblewrap git procps && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 taskflow
COPY --from=build /opt/taskflow /opt/taskflow
ENV PATH=/opt/taskflow/bin:$PATH
USER taskflow
# Flows, and what they work on, are mounted here.
WORKDIR /flows
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 CMD ["taskflow-worker", "health"]
CMD ["taskflow-worker"]
