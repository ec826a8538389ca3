# docker build -t qwen-vl-app . && docker run --rm -p 127.0.0.1:7860:7860 qwen-vl-app
# docker build --build-arg ACCELERATOR=cuda -t qwen-vl-app . && docker run --rm --gpus all -p 127.0.0.1:7860:7860 qwen-vl-app
# Neither was ever run where this was written; the tests follow its steps without Docker, those for CUDA excepted.
ARG ACCELERATOR=cpu

FROM debian:12 AS cpu
# AVX2 is what every server of the last ten years has; the image may be run on another one than it is built on.
ENV BUILD_OPTIONS="-DGGML_NATIVE=OFF"

# While an image is built there is no driver: the build for CUDA is linked against CUDA's stand-in for it and proved on the
# processor alone. The first start with a GPU notices it and proves the build there, or says what is wrong.
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS cuda
ENV BUILD_OPTIONS="-DGGML_NATIVE=OFF -DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=75;80;86;89;90"
RUN mkdir /stubs && ln -s /usr/local/cuda/lib64/stubs/libcuda.so /stubs/libcuda.so.1

FROM ${ACCELERATOR}
# The compiler stays: start.sh proves the build again on the machine that runs the image, and repairs it there.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    build-essential ca-certificates libgomp1 python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --shell /bin/bash app \
 && mkdir /app && chown app:app /app

USER app
WORKDIR /app
COPY --chown=app:app start.sh app.py pyproject.toml ./
COPY --chown=app:app models/proof models/proof
COPY --chown=app:app qwen_vl_app/__init__.py qwen_vl_app/errors.py qwen_vl_app/settings.py qwen_vl_app/
COPY --chown=app:app qwen_vl_app/install qwen_vl_app/install
ARG CMAKE_ARGS=""
RUN CMAKE_ARGS="${CMAKE_ARGS:-$BUILD_OPTIONS}" LD_LIBRARY_PATH="/stubs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    bash start.sh --install-only && rm -rf ~/.cache/pip
COPY --chown=app:app . .

ENV QWEN_VL_HOST=0.0.0.0
EXPOSE 7860
VOLUME /app/models
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s CMD \
    [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
ENTRYPOINT ["bash", "start.sh"]
