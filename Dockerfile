# One image for every role: `api`, `worker`, or any other command of `assay`.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/assay && /opt/assay/bin/pip install --no-cache-dir '.[serve]'

FROM ${BASE}
# A number, so that whoever runs it can tell that it is not root.
RUN useradd --system --uid 10001 --home-dir /data assay && install --directory --owner assay /data
COPY --from=build /opt/assay /opt/assay
ENV PATH=/opt/assay/bin:$PATH \
    ASSAY_BIND=0.0.0.0:8750 \
    ASSAY_DATA_DIR=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8750
ENTRYPOINT ["assay"]
CMD ["api"]
