"""GetBook in the mode `token` against the same call in the mode `open`: what it costs to know the caller."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from benchmarks.books import SEED
from benchmarks.callers import GrpcWorkload, Round
from benchmarks.environment import ENGINES, Environment, Listening, opened
from benchmarks.reads import CATALOG
from benchmarks.results import Result, compared, in_turns
from frontend_server.store import models
from library.frontend.v1.catalog_service_pb2 import GetBookRequest
from library.v1.book_pb2 import Book
from library_domain.access.tokens import encode_key, new_key_pair, sign
from service_kit.clock import DAY, system_clock
from service_kit.ids import new_id
from service_kit.settings import OPEN, TOKEN
from service_kit.store import Store

TARGET = 0.9


def access(environment: Environment) -> Iterator[Result]:
    """Compare two servers on one store: with the token of a patron, and as a guest, with the mode open."""
    for engine in ENGINES:
        url, ids = environment.frontend_store(engine)
        chosen = random.Random(SEED).choices(ids, k=20_000)
        requests = [GetBookRequest(id=book_id).SerializeToString() for book_id in chosen]
        guest = GrpcWorkload(f"{CATALOG}/GetBook", requests, Book)
        with opened(url) as store:
            bearer = (("authorization", f"Bearer {sign_in(store)}"),)
        patron = GrpcWorkload(f"{CATALOG}/GetBook", requests, Book, bearer)
        with (
            environment.frontend_with_ceilings(engine, OPEN) as is_open,
            environment.frontend_with_ceilings(engine, TOKEN) as guarded,
        ):
            in_open = partial(_measured, environment, is_open, guest)
            for name, workload in (("with a token", patron), ("as a guest", guest)):
                in_token = partial(_measured, environment, guarded, workload)
                mine, other = in_turns(in_token, in_open, environment.scale.pairs)
                yield compared(f"GetBook {name}", engine, (name, mine), ("mode open", other), TARGET)


def _measured(environment: Environment, server: Listening, workload: GrpcWorkload) -> Round:
    return environment.callers.round(server.address, [server.pid], workload, environment.scale.seconds)


def sign_in(store: Store) -> str:
    """Add a patron with a session to a store, and return the patron's access token."""
    models.bind(store)
    now, user_id, session_id, pair = system_clock(), new_id(), new_id(), new_key_pair(new_id())
    times = {"create_time": now, "update_time": now}
    with store.writing():
        models.User.create(id=user_id, email="", first_name="Ada", last_name="", email_key="", revision=1, **times)
        models.SigningKey.create(
            id=pair.id,
            public_key=encode_key(pair.public),
            private_key=encode_key(pair.private),
            create_time=now,
            retire_time=0,
            revision=1,
        )
        models.Session.create(
            id=session_id,
            user_id=user_id,
            refresh_hash="",
            previous_hash="",
            refresh_salt="",
            refresh_time=now,
            create_time=now,
            expire_time=now + DAY,
            end_time=0,
        )
    issuer = models.sync_state().frontend_id
    return sign(pair, issuer=issuer, user_id=user_id, session_id=session_id, now=now)[0]
