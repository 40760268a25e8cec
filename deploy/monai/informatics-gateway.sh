#!/bin/sh
# The Informatics Gateway's side of the clinical workflow: our title, who may send, where results go.
# A payload is one series (0020,000E), complete when nothing has come for 60 s.
set -eu
: "${PACS_AET:?title of the PACS}" "${PACS_HOST:?address of the PACS}" "${PACS_PORT:=104}"
mig-cli aet add --aetitle PULMOMAP --grouping 0020,000E --timeout 60 --workflows pulmomap
mig-cli src add --name PACS --aetitle "$PACS_AET" --host-ip "$PACS_HOST"
mig-cli dst add --name PACS --aetitle "$PACS_AET" --host-ip "$PACS_HOST" --port "$PACS_PORT"
