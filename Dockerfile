# One image for the servers and the operator's command: `library-admin`, `library-frontend`, `library-rest`, `library`.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python -m venv /opt/library
ENV PATH=/opt/library/bin:$PATH
WORKDIR /src
# The dependencies first: they change seldom, and this layer with them.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin library
COPY --from=build /opt/library /opt/library
ENV PATH=/opt/library/bin:$PATH PYTHONUNBUFFERED=1
USER library
# Where SQLite stores go when no other database is named.
WORKDIR /home/library
CMD ["library", "--help"]
