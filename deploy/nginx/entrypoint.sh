#!/bin/sh
# Fills in the templates beside this script, as the container's (or a host's) environment says, and becomes nginx.
set -eu
: "${PULMOMAP_SCHEME:=https}" "${PULMOMAP_LISTEN:=8443}" "${PULMOMAP_ORTHANC:=http://orthanc:8042}"
: "${PULMOMAP_OHIF:=/usr/share/ohif}" "${PULMOMAP_SECRETS:=/run/secrets}" "${PULMOMAP_ACCESS_LOG:=/dev/stdout}"
: "${PULMOMAP_RUN:=/run/pulmomap}"
PULMOMAP_CONF="$PULMOMAP_RUN/conf"
export PULMOMAP_LISTEN PULMOMAP_ORTHANC PULMOMAP_OHIF PULMOMAP_SECRETS PULMOMAP_ACCESS_LOG PULMOMAP_RUN PULMOMAP_CONF
names='${PULMOMAP_LISTEN} ${PULMOMAP_ORTHANC} ${PULMOMAP_OHIF} ${PULMOMAP_SECRETS} ${PULMOMAP_ACCESS_LOG}
  ${PULMOMAP_RUN} ${PULMOMAP_CONF}'
here=$(dirname "$0")
mkdir -p "$PULMOMAP_CONF"
for template in nginx.conf site.conf; do
  envsubst "$names" <"$here/$template.template" >"$PULMOMAP_CONF/$template"
done
envsubst "$names" <"$here/listen-$PULMOMAP_SCHEME.conf.template" >"$PULMOMAP_CONF/listen.conf"
cp "$here/headers.conf" "${PULMOMAP_APP_CONFIG:-/etc/pulmomap/app-config.js}" "$PULMOMAP_CONF/"
exec nginx -e stderr -p "$PULMOMAP_RUN" -c "$PULMOMAP_CONF/nginx.conf" "$@"
