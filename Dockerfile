# docker build -t qwen-vl-app . && docker run --rm -p 127.0.0.1:7860:7860 qwen-vl-app
# For the processor only: a CUDA build cannot be proved while an image is built, where no driver is.
ARG BASE=debian:12
FROM ${BASE}

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
# AVX2 is what every server of the last ten years has; the image may be run on another one than it is built on.
ARG CMAKE_ARGS="-DGGML_NATIVE=OFF"
RUN CMAKE_ARGS="${CMAKE_ARGS}" bash start.sh --install-only && rm -rf ~/.cache/pip
COPY --chown=app:app . .

ENV QWEN_VL_HOST=0.0.0.0
EXPOSE 7860
VOLUME /app/models
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s CMD \
    [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
ENTRYPOINT ["bash", "start.sh"]
