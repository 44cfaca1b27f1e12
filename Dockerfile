# One image for every role: `api`, `worker`, or any other command of `assay`.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/assay && /opt/assay/bin/pip install --no-cache-dir '.[serve]'
# Not needed to serve, 120 MB: pip, c2pa's library for Rust programs, and OpenVINO's support for GPUs, NPUs and foreign formats.
WORKDIR /opt/assay/lib
RUN rm -r ./*/site-packages/pip* ./*/site-packages/c2pa/libs/*.rlib ./*/site-packages/openvino/libs/cache.json \
       ./*/site-packages/openvino/libs/*_gpu_plugin.so ./*/site-packages/openvino/libs/*_npu_plugin.so \
    && find . -path '*/openvino/libs/*_frontend.so*' ! -name '*_ir_frontend.so*' -delete

FROM ${BASE}
# A numeric user ID, so that orchestrators can verify that it is not root.
RUN useradd --uid 10001 --no-create-home --home-dir /data assay && install --directory --owner assay /data
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
