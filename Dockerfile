# The agent's image, for linux/amd64 and linux/arm64:
#
#     docker build --tag slicewise --build-arg REVISION=$(git rev-parse HEAD) .
#
# Both bases are pinned; another one, or a newer digest, is given as a build argument. The first needs npm and a shell, the second glibc
# and libstdc++. Nothing else of either is used: Node itself comes from the lock file, the one with which everything is tested.
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12@sha256:e5d81ddde149641e2a9ba55be4545bc125c67de07508b03ba4c22e6eb0ded5aa

FROM ${BUILD_IMAGE} AS build
# Any setting of npm's, for example npm_config_offline=true, npm_config_registry.
ARG npm_config_offline npm_config_registry npm_config_cache
WORKDIR /src
COPY package.json package-lock.json ./
# No script of a package is needed.
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY . .
# The commit that this is built from, which `slicewise version` says.
ARG REVISION=
# Built where it will lie: the compiled code that is kept with the program counts for its path, and for this Node. To compile it the program
# is run, which needs koffi.
RUN NODE_PATH=/src/node_modules node_modules/.bin/node scripts/bundle.ts /usr/lib/slicewise
# All that the image adds to its base. There is no env(1) in it, and of koffi only what is loaded.
WORKDIR /image/usr
RUN mkdir -p bin lib share/doc/slicewise \
 && cp -L /src/node_modules/.bin/node bin/node \
 && cp -R /usr/lib/slicewise lib/ \
 && sed -i '1s|.*|#!/usr/bin/node|' lib/slicewise/slicewise.cjs \
 && ln -s ../lib/slicewise/slicewise.cjs bin/slicewise \
 && for part in koffi/package.json koffi/index.cjs koffi/src/koffi/index.cjs koffi/src/koffi/src/static.cjs koffi/LICENSE.txt \
      $(cd /src/node_modules && ls -d @koromix/koffi-linux-*/package.json @koromix/koffi-linux-*/index.js @koromix/koffi-linux-*/linux_*/koffi.node); do \
      mkdir -p "lib/slicewise/node_modules/${part%/*}" && cp "/src/node_modules/$part" "lib/slicewise/node_modules/$part" || exit 1; \
    done \
 && cp /src/LICENSE share/doc/slicewise/ \
 && (cd /src && npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx) > share/doc/slicewise/sbom.cdx.json

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="Slicewise" \
      org.opencontainers.image.description="A Kubernetes device plugin for NVIDIA GPUs: whole GPUs, MIG instances, time slices and gigabytes of GPU memory" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
# The container runtime of NVIDIA's toolkit brings the driver's libraries and all GPUs.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# The kubelet's folders belong to root; no capability is needed.
USER 0
ENTRYPOINT ["/usr/bin/slicewise"]
CMD ["agent"]
