# bnviz in a container: docs/deploy.md says how to build and run it.
FROM python:3.11-slim

# Chromium draws PNG, SVG and PDF on the server; without it browsers make PNG and SVG. It takes 400 MB:
#   docker build --build-arg PACKAGES=chromium .
ARG PACKAGES=""
RUN if [ -n "$PACKAGES" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $PACKAGES && rm -rf /var/lib/apt/lists/*; \
    fi

# The usual build of torch brings gigabytes for GPUs; the address of PyTorch's index for processors alone spares them.
ARG TORCH_INDEX=""
WORKDIR /app
COPY requirements.txt requirements-export.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.txt)" \
    && pip install --no-cache-dir -r requirements.txt -r requirements-export.txt

# A user without rights: code that trains is not code that may change the machine.
RUN useradd --create-home --uid 1000 bnviz && mkdir /data && chown bnviz /data
COPY --chown=root:root .streamlit .streamlit
COPY --chown=root:root app.py LICENSE README.md ./
COPY --chown=root:root pages pages
COPY --chown=root:root bnviz bnviz
USER bnviz
ENV BNVIZ_HOME=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import os, urllib.request; \
path = os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', '').strip('/'); \
urllib.request.urlopen(f'http://127.0.0.1:8501/{path + \"/\" if path else \"\"}bnviz/health', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]
