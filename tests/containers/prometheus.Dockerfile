# Debian's Prometheus in the place of the image that docker/compose.yaml names, where no registry has that.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -qy --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt \
 && install -d -o nobody -g nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
