# One image for every role: `api`, `worker`, or any other command of `assay`.
FROM python:3.13-slim

RUN useradd --system --home-dir /data assay && install --directory --owner assay /data
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir '.[serve]' && rm -rf /src/*

USER assay
WORKDIR /data
VOLUME /data
ENV ASSAY_BIND=0.0.0.0:8750 \
    ASSAY_DATA_DIR=/data
EXPOSE 8750
ENTRYPOINT ["assay"]
CMD ["api"]
