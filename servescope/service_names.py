"""Names of services by their TCP port: the registered one, and what people usually run there.

A name says what is expected at a port, not what answers there. Registered names are IANA's
(Service Name and Transport Protocol Port Number Registry, RFC 6335), read from the host's services
database (services(5)) where it has one. Many ports above 1024 are registered for a service that
hardly anybody runs and are known for another one: such a name begins with "often".
"""

from __future__ import annotations

import socket
from functools import cache
from typing import Final

_REGISTERED: Final = {
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "domain",
    80: "http",
    110: "pop3",
    111: "sunrpc",
    143: "imap",
    389: "ldap",
    443: "https",
    445: "microsoft-ds",
    465: "submissions",
    587: "submission",
    631: "ipp",
    636: "ldaps",
    853: "domain-s",
    993: "imaps",
    995: "pop3s",
    1433: "ms-sql-s",
    1883: "mqtt",
    2049: "nfs",
    2375: "docker",
    2379: "etcd-client",
    2380: "etcd-server",
    3306: "mysql",
    3389: "ms-wbt-server",
    5060: "sip",
    5222: "xmpp-client",
    5432: "postgresql",
    5671: "amqps",
    5672: "amqp",
    5900: "rfb",
    6379: "redis",
    8080: "http-alt",
    8883: "secure-mqtt",
    11211: "memcache",
    27017: "mongodb",
}
"""For hosts without a services database, as most containers are, and for what Debian's lacks."""

_CONVENTIONS: Final = {
    3000: "a development server, Grafana",
    3100: "Loki",
    4200: "Angular's development server",
    4317: "OpenTelemetry by gRPC",
    4318: "OpenTelemetry by HTTP",
    5000: "Flask",
    5173: "Vite",
    5601: "Kibana",
    6443: "the Kubernetes API",
    8000: "a development server",
    8001: "a development server",
    8050: "Dash",
    8081: "a second web server",
    8086: "InfluxDB",
    8428: "VictoriaMetrics",
    8443: "https without privileges",
    8500: "Consul",
    8888: "Jupyter",
    9000: "PHP-FPM, MinIO",
    9090: "Prometheus",
    9091: "Prometheus Pushgateway",
    9092: "Kafka",
    9093: "Prometheus Alertmanager",
    9100: "Prometheus node_exporter",
    9200: "Elasticsearch",
}
"""Default ports by the documentation of what is named; the registry has other services or none."""


@cache
def service_name(port: int) -> str:
    """The service that a TCP port is known for, as `https` or `often Flask`; empty for most."""
    if port in _CONVENTIONS:
        return f"often {_CONVENTIONS[port]}"
    try:
        return socket.getservbyport(port, "tcp")
    except (OSError, OverflowError):
        return _REGISTERED.get(port, "")
