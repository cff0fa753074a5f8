# The image of cluster/compose.yaml, which builds it: the MLflow server alone, without Ray and torch.
FROM python:3.11-slim
WORKDIR /home/mlflow
RUN useradd --uid 1000 --home-dir /home/mlflow mlflow
COPY constraints.txt ./
# The extra `server` of pyproject.toml; a test compares them.
RUN pip install --no-cache-dir --constraint constraints.txt \
    boto3 'mlflow[auth]' 'psycopg[binary]' 'sqlalchemy>=2.1'
USER mlflow
