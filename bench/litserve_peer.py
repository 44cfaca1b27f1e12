"""Serves the same ensemble by LitServe: `python -m bench.litserve_peer PORT WORKERS`."""

# Without `from __future__ import annotations`: LitServe looks at the type of `request` itself.
import argparse
import os
from typing import Any

import litserve
import requests
from fastapi import Request

from models.ensemble import Ensemble
from workers.processing.pipeline import classify
from workers.tasks import NICENESS


class Peer(litserve.LitAPI):
    """Judges one image per request: JSON with its `url`, or a form with the file `image`."""

    def setup(self, _device: str) -> None:
        """Load the models, in each worker."""
        os.nice(NICENESS)  # as Assay's workers, so that other programs slow both alike
        self._ensemble = Ensemble.load()
        self._session = requests.Session()

    def decode_request(self, request: Request) -> bytes:
        """Return the image's bytes; fetch them if the request has a URL."""
        if "url" in request:
            answer = self._session.get(request["url"], timeout=15)
            answer.raise_for_status()
            return answer.content
        return request["image"].file.read()

    def predict(self, data: bytes) -> dict[str, Any]:
        """Do what a worker of Assay does with the bytes."""
        return classify(data, self._ensemble, 60).model_dump(mode="json")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("workers", type=int)
    options = parser.parse_args()
    server = litserve.LitServer(
        Peer(),
        accelerator="cpu",
        workers_per_device=options.workers,
        timeout=False,
        fast_queue=True,  # ZeroMQ instead of a queue of multiprocessing
    )
    server.run(
        host="127.0.0.1",
        port=options.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
