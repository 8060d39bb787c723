#!/bin/sh
# acme takes the hours of a Retry-After date, which are GMT, for those of the
# clock on the wall.
#
# Seen with: acme 5.9.0, requests 2.34.2
#
# A server may say when to come again in seconds, or as a date, which is always
# in GMT (RFC 9110, sections 5.6.7 and 10.2.3).  retry_after() gives a naive
# datetime for both, and compares it with datetime.now(): so seconds count from
# the local time, but a date's hours stay those of Greenwich.  West of it the
# wait is too long by the zone's hours, east of it there is none at all.
# renewal_time(), the wait for an order, and whoever asks retry_after() have it
# from there; a machine that runs in UTC never shows it.  renewal_time() also
# gives one moment with a time zone and one without, which can't be compared.
#
# Who is hurt: clients east of Greenwich ask a server that has asked to be left
# alone again at once, and meet its rate limits; those in the west come hours
# too late for a certificate that lives for days.
# What to do: read the header yourself with email.utils.parsedate_to_datetime,
# or run such programs with TZ=UTC.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    acme==5.9.0 requests==2.34.2

cat >recorded <<'END'
acme 5.9.0, requests 2.34.2
UTC0: in seconds, 60 minutes; as a date, 60 minutes
EST5: in seconds, 60 minutes; as a date, 360 minutes
CET-1: in seconds, 60 minutes; as a date, 0 minutes
JST-9: in seconds, 60 minutes; as a date, -480 minutes
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import os
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from importlib.metadata import version

import requests
from acme.client import ClientV2

print(f"acme {version('acme')}, requests {version('requests')}")
for zone in ("UTC0", "EST5", "CET-1", "JST-9"):
    os.environ["TZ"] = zone
    time.tzset()
    waits = []
    date = format_datetime(
        datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True
    )
    for header in ("3600", date):
        response = requests.Response()
        response.headers["Retry-After"] = header
        when = ClientV2.retry_after(response, 5)
        waits.append(round((when - datetime.now()).total_seconds() / 60))
    print(
        f"{zone}: in seconds, {waits[0]} minutes; "
        f"as a date, {waits[1]} minutes"
    )
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
