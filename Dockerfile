# The operator's image, for whoever has a container engine: the same files as `make image` lays without
# one. The build stage may be of another architecture than the image, since nothing of it is run.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
ARG TARGETARCH
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY LICENSE ./
COPY scripts scripts
COPY src src
RUN node scripts/image.ts --root /rootfs ${TARGETARCH:+--platform "linux/$TARGETARCH"}

FROM scratch
COPY --from=build /rootfs/system/ /
COPY --from=build /rootfs/application/ /
LABEL org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.title="x0tta" \
  org.opencontainers.image.version="0.1.0"
ENV PATH=/usr/local/bin \
  MALLOC_ARENA_MAX=1 \
  MALLOC_MMAP_THRESHOLD_=8192 \
  MALLOC_TRIM_THRESHOLD_=65536
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=1", "--no-allocation-site-pretenuring", \
  "--max-old-space-size-percentage=65", "/app/operator.mjs"]
