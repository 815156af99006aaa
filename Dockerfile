# One image for all processes: the web process unless told otherwise, `python manage.py worker` or `migrate`.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt -c constraints.txt

COPY manage.py langgraph.json ./
COPY assistants assistants
COPY threads threads
COPY runs runs
COPY skeino_site skeino_site
COPY examples examples

# It writes nothing, if DATABASE_URL and SECRET_KEY are set.
RUN useradd --no-create-home skeino
USER skeino

EXPOSE 8000
CMD ["uvicorn", "skeino_site.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "3", "--timeout-keep-alive", "75"]
