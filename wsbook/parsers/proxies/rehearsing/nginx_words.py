"""Which nginx directives a configuration that is tried on loopback may keep, and which it can do without; how words are written.

Source: the index of directives at nginx.org/en/docs/dirindex.html.
"""

import re

from wsbook.parsers.proxies.rehearsing.stage import Refusal

__all__ = [
    "BALANCING",
    "BLOCKS",
    "DROPPED",
    "DROPPED_FAMILIES",
    "KEPT",
    "OTHER_BACKENDS",
    "PEOPLE",
    "SERVER_OPTIONS",
    "WORTH_SAYING",
    "condition",
    "quoted",
]

BLOCKS = frozenset({"server", "location", "if", "map", "geo", "split_clients", "limit_except"})
KEPT = frozenset(
    """
    set return rewrite break try_files error_page internal default_type server_name recursive_error_pages
    uninitialized_variable_warn proxy_http_version proxy_set_header proxy_pass_request_headers proxy_pass_request_body
    proxy_method proxy_redirect proxy_buffering proxy_buffer_size proxy_buffers proxy_busy_buffers_size proxy_request_buffering
    proxy_read_timeout proxy_send_timeout proxy_connect_timeout proxy_ignore_headers proxy_hide_header proxy_pass_header
    proxy_intercept_errors proxy_next_upstream proxy_next_upstream_tries proxy_next_upstream_timeout proxy_ignore_client_abort
    proxy_socket_keepalive proxy_ssl_server_name proxy_ssl_name proxy_ssl_protocols proxy_headers_hash_max_size
    proxy_headers_hash_bucket_size proxy_cookie_path proxy_cookie_domain proxy_set_body proxy_force_ranges client_max_body_size
    client_body_timeout client_header_timeout client_header_buffer_size large_client_header_buffers underscores_in_headers
    ignore_invalid_headers merge_slashes absolute_redirect port_in_redirect server_name_in_redirect keepalive_timeout
    keepalive_requests send_timeout chunked_transfer_encoding add_header server_names_hash_max_size server_names_hash_bucket_size
    map_hash_max_size map_hash_bucket_size variables_hash_max_size variables_hash_bucket_size ssl_protocols
    ssl_prefer_server_ciphers satisfy
    """.split()  # noqa: SIM905 - a table
)
"""Carried over as they are."""

BALANCING = frozenset(
    """
    ip_hash hash least_conn random keepalive keepalive_requests keepalive_timeout keepalive_time zone
    """.split()  # noqa: SIM905 - a table
)
SERVER_OPTIONS = re.compile(r"(?:weight|max_fails|fail_timeout|max_conns)=\S+\Z|backup\Z|down\Z")
PEOPLE = frozenset(
    """
    allow deny auth_basic auth_request auth_jwt ssl_verify_client limit_conn limit_req modsecurity modsecurity_rules
    modsecurity_rules_file modsecurity_rules_remote
    """.split()  # noqa: SIM905 - a table
)
"""Who may come in and how often: we are nobody of those. Left out, and said."""

DROPPED = frozenset(
    """
    access_log error_log log_format log_not_found log_subrequest rewrite_log open_log_file_cache root alias index autoindex
    sendfile tcp_nopush tcp_nodelay expires etag if_modified_since gzip charset charset_types charset_map override_charset types
    types_hash_max_size types_hash_bucket_size server_tokens resolver resolver_timeout aio directio output_buffers postpone_output
    reset_timedout_connection lingering_close lingering_time lingering_timeout real_ip_header set_real_ip_from real_ip_recursive
    auth_basic_user_file auth_request_set ssl ssl_certificate ssl_certificate_key http2 http3 quic_retry add_trailer
    source_charset limit_rate limit_rate_after max_ranges mirror mirror_request_body empty_gif stub_status status_zone
    random_index slice dav_methods client_body_temp_path client_body_buffer_size client_body_in_file_only
    client_body_in_single_buffer connection_pool_size request_pool_size proxy_temp_path proxy_max_temp_file_size
    proxy_temp_file_write_size proxy_limit_rate proxy_bind include msie_padding msie_refresh disable_symlinks read_ahead
    subrequest_output_buffer_size server_traffic_status keepalive_disable proxy_buffer proxy_method_status add_before_body
    add_after_body
    """.split()  # noqa: SIM905 - a table
)
"""Of no influence on whether an upgrade passes, or replaced by what stands on loopback."""

DROPPED_FAMILIES = re.compile(
    r"(?:gzip|brotli|zstd|ssl|proxy_ssl|proxy_cache|proxy_store|proxy_cookie|http2|http3|fastcgi|uwsgi|scgi|grpc|memcached|limit|open_file_cache"
    r"|sub_filter|ssi|image_filter|xslt|geoip2?|more_(?:set|clear)_headers|vhost_traffic_status|opentelemetry|otel|opentracing|pagespeed"
    r"|userid|secure_link|referer|valid_referers|perl_modules|health_check|fancyindex|headers_more|ngx_cache|auth_basic|auth_jwt|mp4|flv|hls"
    r"|stream|split_clients_hash)(?:_\w+)?\Z"
)
OTHER_BACKENDS = frozenset(
    """
    fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass
    """.split()  # noqa: SIM905 - a table
)
WORTH_SAYING = re.compile(r"(?:more_(?:set|clear)_headers|auth_|limit_(?:conn|req)$|health_check|ssl_verify_client|proxy_cache$)")

_BARE = re.compile(r"[\w$.:/=*~^+%@,?!&|()\[\]-]+\Z")


def quoted(word: str) -> str:
    """Return a word as nginx reads it back."""
    if _BARE.match(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def condition(words: tuple[str, ...]) -> str:
    """Return the parenthesis of an if.

    Raises:
        Refusal: it is none.
    """
    inside = " ".join(words).removeprefix("(").removesuffix(")")
    asked = re.fullmatch(r"\s*(!?-[fdex])\s+(\S+)\s*", inside)
    if asked:
        return f"({asked[1]} {quoted(asked[2])})"
    parts = re.fullmatch(r"\s*(\S+)(?:\s+(=|!=|~|~\*|!~|!~\*))?(?:\s+(.*?))?\s*", inside, re.DOTALL)
    if parts is None or (parts[3] and not parts[2]):
        raise Refusal(f"if ({inside[:60]}) is not understood")
    return "(" + " ".join(filter(None, (quoted(parts[1]), parts[2], parts[2] and quoted(parts[3] or "")))) + ")"
