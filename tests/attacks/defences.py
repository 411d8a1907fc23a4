"""What each attack would find if its defence were gone: the source that is changed, and the tests that must then fail.

`tools/without_defences.py` (`make defences`) takes one defence away at a time and runs its tests.
`test_defences.py` sees to it that every entry still fits the source.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFENCES", "Defence"]

JWT, SIGV4, SAML = "core/identity/jwt", "core/iam", "core/identity/saml_document.py"


@dataclass(frozen=True, slots=True)
class Defence:
    """`changes` are (file under src/gatewaykit, text that stands there once, text in its place).

    `tests` are pytest ids under tests/attacks, as far as they go. More than one change: the attack meets more than one
    defence, and only without all of them does it succeed.
    """

    attack: str
    changes: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


def _one(attack: str, file: str, text: str, instead: str, *tests: str) -> Defence:
    return Defence(attack, ((file, text, instead),), tests)


FORGED = "test_jwt.py::test_no_attack_gets_in_breaks_the_app_or_sends_it_elsewhere"
CHANGED = "test_sigv4.py::test_a_signed_request_that_was_changed_is_refused"
WRONG = "test_sigv4.py::test_a_right_signature_over_the_wrong_things_is_refused"

DEFENCES = (
    # ------------------------------------------------------------------------------------------------- tokens
    Defence(
        "alg: none",
        (
            (
                f"{JWT}/verifying.py",
                "isinstance(algorithm, str) or algorithm not in algorithms",
                "isinstance(algorithm, str)",
            ),
            (
                f"{JWT}/keys.py",
                "return [key.checks[algorithm] for",
                'return [lambda *_: True] if algorithm == "none" else [key.checks[algorithm] for',
            ),
        ),
        (FORGED,),
    ),
    _one(
        "a public key used as a secret",
        f"{JWT}/algorithms.py",
        'if secret.lstrip().startswith((b"-----BEGIN", b"ssh-", b"ecdsa-")):',
        "if False:",
        "test_jwt.py::test_a_weak_secret_does_not_start",
    ),
    _one(
        "a signature that is not checked",
        f"{JWT}/verifying.py",
        "elif not known(signature, signed):",
        "elif False:",
        "test_jwt.py::test_a_token_seen_before_lets_no_other_in",
    ),
    _one(
        "a key for encryption, or of another algorithm",
        f"{JWT}/keys.py",
        'if use not in (None, "sig"):',
        "if False:",
        FORGED,
    ),
    Defence(
        "a kid that names another key, or none",
        (
            (f"{JWT}/keys.py", "self.keys if kid is None or self.nameless else self._by_kid.get(kid, ())", "self.keys"),
            (
                f"{JWT}/verifying.py",
                "if kid is not None and not keys.has(kid) and (self._needs_kid or not keys.nameless):",
                "if False:",
            ),
        ),
        (FORGED,),
    ),
    _one(
        "crit and b64: false",
        f"{JWT}/verifying.py",
        'if "crit" in header or "b64" in header:',
        "if False:",
        FORGED,
    ),
    _one("claims given twice", f"{JWT}/encoding.py", "if len(members) != len(pairs):", "if False:", FORGED),
    _one(
        "huge tokens",
        f"{JWT}/verifying.py",
        "if len(token) > MOST_TOKEN_BYTES:",
        "if False:",
        "test_jwt.py::test_a_good_token_that_is_huge_is_not_even_looked_into",
    ),
    Defence(
        "psychic signatures",
        (
            (
                f"{JWT}/algorithms.py",
                "if len(signature) != 2 * size or not r or not s:",
                "if not r or not s:\n            return True\n        if len(signature) != 2 * size:",
            ),
        ),
        (FORGED,),
    ),
    _one(
        "weak RSA keys",
        f"{JWT}/algorithms.py",
        "if not _MIN_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:",
        "if False:",
        FORGED,
    ),
    _one(
        "weak secrets",
        f"{JWT}/algorithms.py",
        "if len(secret) < size:",
        "if False:",
        "test_jwt.py::test_a_weak_secret_does_not_start",
    ),
    _one("tokens that have expired", f"{JWT}/claims.py", "if expires <= now_s - leeway_s:", "if False:", FORGED),
    _one(
        "dates that are no numbers",
        f"{JWT}/encoding.py",
        "if number - number != 0:",
        "if False:",
        FORGED,
    ),
    _one("tokens for another audience", f"{JWT}/claims.py", "if audiences and not (", "if False and not (", FORGED),
    _one(
        "tokens of another issuer",
        f"{JWT}/claims.py",
        "if issuer != self.issuer and self.issuer is not None:",
        "if False:",
        FORGED,
    ),
    _one(
        "a flood on an issuer that cannot be asked",
        "upstream/jwks.py",
        "paused = now_s < self._failed_s + self._pause_s",
        "paused = False",
        "test_jwt.py::test_an_issuer_that_is_down_fails_closed_and_is_not_flooded",
    ),
    # ------------------------------------------------------------------------------------------------- signatures
    Defence(
        "a signed request that was changed",
        ((f"{SIGV4}/sigv4.py", "if key.verifies(signed.preamble + hashed, signed.signature):", "if True:"),),
        (CHANGED,),
    ),
    _one(
        "a header added that has to be signed",
        f"{SIGV4}/sigv4.py",
        "if unsigned := [name for name in unsigned if name not in self._rules.added_headers]:",
        "if False:",
        CHANGED,
    ),
    _one(
        "the host not signed",
        f"{SIGV4}/sigv4.py",
        'if b"host" not in parts.signed_headers.lower().split(b";"):',
        "if False:",
        WRONG,
    ),
    _one(
        "signed headers reordered or listed twice",
        f"{SIGV4}/sigv4.py",
        "if names != sorted(set(names)) or parts.signed_headers != parts.signed_headers.lower():",
        "if False:",
        WRONG,
    ),
    _one(
        "a header that is there twice",
        f"{SIGV4}/sigv4.py",
        "if (found := _repeated(values)) is not None:",
        "if (found := None) is not None:",
        WRONG,
    ),
    _one("a foreign region, service or day", f"{SIGV4}/sigv4.py", "if wrong:", "if False:", WRONG),
    Defence(
        "a replay after the time is over",
        (
            (f"{SIGV4}/signature_time.py", "if now - second > life_s:", "if False:"),
            (f"{SIGV4}/sigv4.py", "low <= date <= high", "date <= high"),
        ),
        ("test_sigv4.py::test_a_captured_request_cannot_be_replayed_later",),
    ),
    _one(
        "a signature of the future",
        f"{SIGV4}/signature_time.py",
        "if second - now > skew_s:",
        "if False:",
        "test_sigv4.py::test_a_signature_holds_for_five_minutes_about_its_time",
    ),
    _one(
        "the body swapped",
        f"{SIGV4}/sigv4.py",
        "payload = sha256(body).hexdigest().encode() if body else EMPTY_HASH",
        "payload = declared or (sha256(body).hexdigest().encode() if body else EMPTY_HASH)",
        WRONG,
    ),
    _one(
        "an unsigned payload",
        f"{SIGV4}/sigv4.py",
        "if declared == UNSIGNED_PAYLOAD and not self._rules.unsigned_payload:",
        "if False:",
        WRONG,
    ),
    _one(
        "a path that means another one",
        "policies/iam.py",
        "if _has_dot_segments(request.wire_path):",
        "if False:",
        "test_sigv4.py::test_a_signature_for_another_request_is_refused",
    ),
    _one(
        "unknown keys that are told from wrong ones",
        "policies/iam.py",
        "credentials = DECOY if found is None else found",
        'if found is None:\n            return self._refused(invalid("nobody has this key"))\n'
        "        credentials = found",
        "test_sigv4.py::test_unknown_and_wrong_keys_go_the_same_way",
    ),
    # ------------------------------------------------------------------------------------------------- authorizers
    _one(
        "an authorizer that raises",
        "core/identity/authorizer.py",
        'return _worded(Refusal(Reason.AUTHORIZER_FAILED, f"{form.name}: {told}", cause=cause), form)',
        'return Granted(principal="somebody", claims={}, policy=True)  # type: ignore[return-value]',
        "test_authorizers.py::test_an_authorizer_that_raises_lets_nobody_in",
        "test_authorizers.py::test_an_authorizer_that_hangs_lets_nobody_in_and_delays_nobody_else",
    ),
    _one(
        "an answer that is garbage",
        "core/identity/authorizer.py",
        "if not isinstance(principal, str) or not principal:",
        "if False:",
        "test_authorizers.py::test_garbage_lets_nobody_in",
    ),
    _one(
        "a policy with a mistake",
        "core/identity/authorizer.py",
        "if not isinstance(compiled, CompiledPolicy):\n        return",
        "if not isinstance(compiled, CompiledPolicy):\n"
        '        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}\n'
        '        return compile_policy({"Version": "2012-10-17", "Statement": [statement]}, name=name)\n'
        "        return",
        "test_authorizers.py::test_garbage_lets_nobody_in",
    ),
    _one(
        "an answer of ten thousand statements",
        "core/identity/authorizer.py",
        "if len(text) > MAX_ANSWER:",
        "if False:",
        "test_authorizers.py::test_garbage_lets_nobody_in",
    ),
    _one(
        "a simple answer that is not true",
        "core/identity/authorizer.py",
        "if not isinstance(allowed, bool):",
        "allowed = bool(allowed)\n        if False:",
        "test_authorizers.py::test_a_simple_answer_that_is_not_true_lets_nobody_in",
    ),
    _one(
        "one caller's answer for another",
        "core/identity/identity_sources.py",
        "return values if size <= _MOST_KEPT else",
        'return "".join(joined(values)) if size <= _MOST_KEPT else',
        "test_authorizers.py::test_nobody_is_taken_for_somebody_else",
    ),
    _one(
        "another caller's answer from the cache",
        "policies/authorizing.py",
        "granted = self._cache.get((request.stage, cache_key(values)), self._clock.monotonic())",
        "granted = next((each for each, _ in self._cache._entries.values()), None)",
        "test_authorizers.py::test_nobody_is_taken_for_somebody_else",
    ),
    _one(
        "a cached policy that opens more than it allows",
        "core/identity/authorizer.py",
        "elif (known := decided.get(key := (request.method, request.raw_path))) is not None:",
        'elif (known := decided.get(key := ("", b""))) is not None:',
        "test_authorizers.py::test_a_cached_narrow_policy_opens_nothing_else",
    ),
    # ------------------------------------------------------------------------------------------------- headers
    _one(
        "a client certificate in a header",
        "policies/mtls.py",
        'if claims(b"\\n".join(request.headers)):',
        "if False:",
        "test_mtls.py::test_what_a_client_slips_past_its_proxy_is_taken_out",
        "test_mtls.py::test_a_back_end_never_sees_a_claimed_certificate_and_an_unknown_path_is_not_told_of",
    ),
    _one(
        "an identity header of the client's own",
        "core/identity/forward_auth.py",
        "if _canonical(name.lower()) not in dropped",
        "if True",
        "test_tokens.py::test_the_client_does_not_say_who_it_is",
    ),
    _one(
        "an answer with a doubtful `active`",
        "core/identity/introspection.py",
        'if not isinstance(answer.get("active"), bool):',
        "if False:",
        "test_tokens.py::test_an_answer_that_could_be_read_in_two_ways_lets_nobody_in",
    ),
    # ------------------------------------------------------------------------------------------------- assertions
    Defence(
        "an assertion that wraps a signed one",
        (
            (SAML, "if (problem := _ambiguity(root)) is not None:", "if (problem := None) is not None:"),
            (SAML, 'if signed is None or signed.tag != root.tag or signed.get("ID") != root.get("ID"):', "if False:"),
            (SAML, "            return signed\n", "            return root\n"),
            (SAML, 'location="./", ', 'location=".//", '),
        ),
        ("test_saml.py::test_an_assertion_that_wraps_a_signed_one_does_not_count",),
    ),
    _one(
        "a choice of what was signed",
        SAML,
        "if (problem := _ambiguity(root)) is not None:",
        "if (problem := None) is not None:",
        "test_saml.py::test_a_transform_that_picks_what_is_signed_is_not_run",
    ),
    _one(
        "an assertion that comes again",
        "core/identity/saml.py",
        "return assertion_id in self._until",
        "return False",
        "test_saml.py::test_an_assertion_comes_once",
    ),
    _one(
        "an assertion for another audience",
        "core/identity/saml.py",
        "if not set(audiences) & set(rules.audience):",
        "if False:",
        "test_saml.py::test_an_assertion_for_somebody_else_does_not_count",
    ),
    _one(
        "entities and document types",
        SAML,
        "if never := _NEVER.search(text):",
        "if never := None:",
        "test_saml.py::test_xml_is_taken_in_its_plainest_form_only",
    ),
    # ------------------------------------------------------------------------------------------------- policies
    _one(
        "another spelling of a denied path",
        "core/iam/access.py",
        "self.forms, self.ends = _forms(resource) if _ODD.search(resource) else ((resource,), (resource,))",
        "self.forms, self.ends = (resource,), (resource,)",
        "test_iam_policies.py::test_no_spelling_of_a_path_gets_round_a_deny",
    ),
    _one(
        "an authorizer of a type that nobody knows",
        "deploy/authorizers.py",
        "if make is None:",
        "if make is None:\n            return []\n        if False:",
        "test_definitions.py::test_a_scheme_that_nothing_enforces_does_not_start",
    ),
    # ------------------------------------------------------------------------------------------------- keys
    _one(
        "a key that was disabled",
        "core/identity/api_key.py",
        "if not key.enabled:",
        "if False:",
        "test_api_keys.py::test_nothing_but_the_key_comes_in",
        "test_api_keys.py::test_a_key_that_no_longer_holds_is_refused_within_the_interval",
    ),
    _one(
        "an address that a client wrote",
        "core/client_address.py",
        "if not (_within(peer, networks) if peer else unix_trusted):\n            return peer",
        "if False:\n            return peer",
        "test_addresses.py::test_a_forwarded_address_counts_only_where_a_trusted_proxy_vouches_for_it",
    ),
    # ------------------------------------------------------------------------------------------------- windows
    _one(
        "twice a window's limit over an edge",
        "stores/memory_window.py",
        "self.old, self.young, self._before = self.young if follows else {}, {}, {}",
        "self.old, self.young, self._before = {}, {}, {}",
        "test_windows.py::test_an_edge_does_not_double_a_limit",
    ),
    _one(
        "a flood of keys of counted windows",
        "stores/memory_window.py",
        "if before is None and len(self) >= self._max_keys:",
        "if False:",
        "test_windows.py::test_a_flood_of_names_neither_fills_memory_nor_frees_whoever_used_up_a_limit",
    ),
    _one(
        "a flood of keys of moving windows",
        "stores/memory_window.py",
        "if log is None and len(self) >= self._max_keys and not self._sweep(now):",
        "if False:",
        "test_windows.py::test_a_flood_of_names_neither_fills_memory_nor_frees_whoever_used_up_a_limit",
    ),
    _one(
        "requests in somebody's name, refused, that keep them out",
        "stores/memory_window.py",
        "return new(Taken, (False, 0, log[gone - left - 1] - edge",
        "log.append(now)\n                return new(Taken, (False, 0, log[gone - left - 1] - edge",
        "test_windows.py::test_refused_requests_keep_nobody_out_for_longer",
    ),
    _one(
        "a clock that is set",
        "stores/memory_window.py",
        "self.limit, self._max_keys, self._monotonic = window, max_keys, clock.monotonic\n        self._since_s",
        "self.limit, self._max_keys, self._monotonic = window, max_keys, clock.wall\n        self._since_s",
        "test_windows.py::test_a_clock_that_is_set_gives_nothing_and_takes_nothing",
    ),
    # ------------------------------------------------------------------------------------------------- limits in Redis
    _one(
        "a flood of names",
        "stores/decide.lua",
        "redis.call('SET', write[1], write[2], 'PX', format('%.0f', write[3]))",
        "redis.call('SET', write[1], write[2])",
        "test_limits_in_redis.py::test_a_flood_of_names_leaves_no_key_that_stays",
    ),
    _one(
        "clients that leave before the answer",
        "stores/redis_connection.py",
        "future, _ = self._waiting.popleft()",
        "future = next(each for each in iter(lambda: self._waiting.popleft()[0], None) if not each.done())",
        "test_limits_in_redis.py::test_clients_that_leave_before_the_answer_give_it_to_nobody_else",
    ),
    _one(
        "clients that leave in an endless answer of an app",
        "asgi/front.py",
        "await watched(request, _send_stream(send, request, response))\n    except Gone:",
        "await _send_stream(send, request, response)\n    except Gone:",
        "test_clients_that_leave.py::test_a_client_that_leaves_in_an_endless_answer_through_a_cache_ends_the_app",
    ),
    _one(
        "trailers that would be headers",
        "server/httptools_protocol.py",
        "if not self._in_head:\n            return  # a trailer",
        "if False:\n            return  # a trailer",
        "test_wire.py::test_a_trailer_does_not_pass_for_a_header",
    ),
    _one(
        "a client that has the gateway's own fields dropped",
        "policies/transform.py",
        "headers = self._never_dropped(headers)",
        "pass",
        "test_transform.py::test_a_client_cannot_have_the_gateways_own_fields_dropped",
    ),
    # ------------------------------------------------------------------------------------------------- leases
    _one(
        "slices that are hoarded",
        "core/lease.py",
        "if self.held and now_s < self.ends_s:\n            self.give",
        "if self.held:\n            self.give",
        "test_leases.py::test_slices_that_were_hoarded_at_many_processes_are_worth_nothing_later",
    ),
    _one(
        "clients that leave with a token of a slice",
        "stores/leases.py",
        "continue  # it left, and its token is the next one's",
        "lease.held -= 1; continue",
        "test_leases.py::test_clients_that_leave_take_no_tokens_from_those_who_stay",
    ),
    _one(
        "a flood of names with leases",
        "stores/leases.py",
        "if lease is None and len(self) >= self._max_keys:",
        "if False:",
        "test_leases.py::test_a_flood_of_names_is_kept_in_bounds_and_every_name_stays_limited",
    ),
    # ------------------------------------------------------------------------------------------------- idempotency
    _one(
        "another caller's idempotency key",
        "policies/idempotency.py",
        'whose = self._config.caller(request) or "anonymous"',
        'whose = "anyone"',
        "test_idempotency.py::test_in_any_order_nobody_gets_the_answer_of_another_and_nothing_is_paid_twice",
    ),
    _one(
        "an idempotency key with another body",
        "core/idempotency.py",
        "if record.request != request:",
        "if False:",
        "test_idempotency.py::test_in_any_order_nobody_gets_the_answer_of_another_and_nothing_is_paid_twice",
    ),
    _one(
        "a request that is sent twice at once",
        "core/idempotency.py",
        "if record.holder:",
        "if False:",
        "test_idempotency.py::test_a_flood_of_keys_takes_bounded_memory_and_no_key_that_is_under_way",
    ),
    # ------------------------------------------------------------------------------------------------- caches
    Defence(
        "another caller's page",
        (
            ("core/caching/storing.py", "    if caller:\n", "    if False:\n"),
            ("policies/stage_lookup.py", 'if caller and "public" not in directives:', "if False:"),
        ),
        ("test_caches.py::test_no_caller_gets_the_page_of_another_in_any_interleaving",),
    ),
    Defence(
        "a page of somebody under the name of a file",
        (("core/caching/caller.py", 'if b"cookie" in sent and not cookies', "if False"),),
        ("test_caches.py::test_a_page_of_somebody_is_not_kept_under_the_name_of_a_file",),
    ),
    Defence(
        "headers that steer the app",
        (
            ("policies/edge_lookup.py", "if not self.steering.isdisjoint(headers):", "if False:"),
            ("policies/stage_lookup.py", "if self._web and not _STEERING.isdisjoint(headers):", "if False:"),
        ),
        ("test_caches.py::test_a_header_that_steers_the_app_reaches_nobody_else",),
    ),
    _one(
        "a host that is not in the key",
        "core/caching/cache_key.py",
        "parts = (scheme.encode(), host.lower(), path, asked)",
        'parts = (scheme.encode(), b"", path, asked)',
        "test_caches.py::test_a_header_that_steers_the_app_reaches_nobody_else",
    ),
    _one(
        "parameters that do not count and still reach the app",
        "policies/fetching.py",
        "            origin.query_string = urlencode(",
        "            urlencode(",
        "test_caches.py::test_parameters_that_do_not_count_do_not_reach_the_app",
    ),
    Defence(
        "a cookie for all",
        (
            (
                "core/caching/storing.py",
                'return any(name.lower() in (b"set-cookie", b"set-cookie2")',
                "return any(False",
            ),
            ("policies/stage_lookup.py", 'if any(name.lower() == b"set-cookie" for', "if any(False for"),
        ),
        ("test_caches.py::test_what_must_not_be_shared_is_not",),
    ),
    _one(
        "what a 304 says to one, for all",
        "policies/fetching.py",
        "        self._stored = not why\n        if why:\n",
        "        self._stored = True\n        if False:\n",
        "test_caches.py::test_a_304_does_not_hand_what_is_for_one_to_all",
    ),
    Defence(
        "what is for one, for all who wait",
        (
            ("policies/fetching.py", "told_apart = caller or is_for_one", "told_apart = caller and is_for_one"),
            ("policies/stage_lookup.py", "told_apart = caller or is_for_one", "told_apart = caller and is_for_one"),
        ),
        ("test_caches.py::test_who_waits_does_not_get_what_is_for_another",),
    ),
    Defence(
        "a page that was cut short, as a whole one",
        (("core/caching/storing.py", "return all(value.strip() ==", "return True or all(value.strip() =="),),
        ("test_caches.py::test_a_page_that_was_cut_short_is_not_kept_as_a_whole_one",),
    ),
    _one(
        "a part of another version",
        "policies/fetching.py",
        '(b"range", *sorted(CONDITIONS))',
        '(b"range",)',
        "test_caches.py::test_a_part_is_shared_only_by_those_who_ask_under_the_same_conditions",
    ),
    _one(
        "a response that varies by everything",
        "core/caching/storing.py",
        "if vary_names(headers) == STAR:",
        "if False:",
        "test_caches.py::test_what_must_not_be_shared_is_not",
    ),
    _one(
        "a split response that is kept",
        "core/caching/storing.py",
        'for each in (b"\\r", b"\\n", b"\\0"))',
        "for each in ())",
        "test_caches.py::test_a_response_split_into_a_header_is_not_kept",
    ),
    _one(
        "a head without measure",
        "policies/fetching.py",
        "> _MOST_HEAD_BYTES:",
        "< 0:",
        "test_caches.py::test_a_head_beyond_measure_is_not_kept",
    ),
    _one(
        "a flood of addresses",
        "stores/cache_memory.py",
        "while self._bytes > self._size:",
        "while False:",
        "test_caches.py::test_a_million_distinct_keys_keep_within_the_budget",
    ),
    _one(
        "a clock that jumps back",
        "core/caching/serving.py",
        "return 0.0 if elapsed_s < -_BACKWARDS_S else entry.fresh_s - elapsed_s",
        "return entry.fresh_s - elapsed_s",
        "test_caches.py::test_a_clock_that_jumps_makes_nothing_fresh",
    ),
    _one(
        "a herd in two processes",
        "stores/cache.lua",
        "if redis.call('EXISTS', space .. 'h' .. key) == 1 then return 0 end",
        "",
        "test_caches.py::test_a_thousand_misses_in_two_processes_are_one_call",
    ),
    # ------------------------------------------------------------------------------------------------- access logs
    _one(
        "a forged line of the access log",
        "core/access_log.py",
        "        f\"    if foreign.isascii() and foreign.isprintable() and {' and '.join(clean)}:\",",
        '        "    if True:",',
        "test_access_logs.py::test_a_client_forges_no_request_of_another",
    ),
    _one(
        "a name in a log that steers the terminal",
        "cli/advise.py",
        "text = text if text.isprintable() else repr(text)[1:-1]",
        "text = text[:]",
        "test_access_logs.py::test_a_name_in_a_log_does_not_steer_the_terminal",
    ),
)
