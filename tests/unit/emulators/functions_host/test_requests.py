"""HTTP in the worker's form."""

from http.cookies import SimpleCookie
from typing import Any, cast

import azure.functions as func
import pytest
from azure.functions.http import HttpRequestConverter, HttpResponseConverter

from emulators.functions_host import datums, requests
from emulators.functions_host.datums import Datum


def decoded_request(**more: Any) -> func.HttpRequest:
    scope = {"method": "POST", "scheme": "http", "raw_path": b"/api/a%20b", "query_string": b"", **more}
    datum = requests.request(
        scope,
        headers={"host": "127.0.0.1:7071"},
        query=requests.query(scope["query_string"]),
        parameters={"name": "a b"},
        body=b"\xff",
    )
    # The worker's runtime, too, hands its own Datum to the library's converter.
    request: func.HttpRequest = HttpRequestConverter.decode(cast("Any", datum), trigger_metadata=None)
    return request


def datum_of(response: func.HttpResponse) -> Datum:
    return cast("Datum", HttpResponseConverter.encode(response, expected_type=None))


def encoded(response: func.HttpResponse) -> requests.Response:
    return requests.response(datum_of(response))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", {}),
        (b"id=1&state=Processed", {"id": "1", "state": "Processed"}),
        (b"a=1&b=x&a=2", {"a": "1,2", "b": "x"}),
        (b"Id=1&ID=2", {"Id": "1,2"}),
        (b"a=%2B&b=c+d", {"a": "+", "b": "c d"}),
        (b"name=%C3%A9", {"name": "é"}),
        (b"empty=&flag&a=1", {"a": "1"}),
    ],
)
def test_query_parameters_arrive_as_the_real_host_sends_them(raw: bytes, expected: dict[str, str]) -> None:
    assert requests.query(raw) == expected


def test_a_repeated_header_is_joined_with_commas() -> None:
    raw = [(b"accept", b"a"), (b"x-n", b"1"), (b"accept", b"b")]
    assert requests.headers(raw) == {"accept": "a,b", "x-n": "1"}


def test_the_worker_reads_the_request() -> None:
    request = decoded_request(query_string=b"a=1")
    assert request.method == "POST"
    assert request.url == "http://127.0.0.1:7071/api/a%20b?a=1"
    assert dict(request.params) == {"a": "1"}
    assert dict(request.route_params) == {"name": "a b"}
    assert dict(request.headers) == {"host": "127.0.0.1:7071"}
    assert request.get_body() == b"\xff"


def test_a_response_keeps_status_headers_and_body() -> None:
    response = encoded(
        func.HttpResponse(b"{}", status_code=202, headers={"X-Probe": "1"}, mimetype="application/json")
    )
    assert (response.status, response.body) == (202, b"{}")
    assert dict(response.headers) == {
        b"x-probe": b"1",
        b"content-type": b"application/json",
        b"content-length": b"2",
    }


def test_the_length_of_a_response_is_the_hosts_business() -> None:
    response = encoded(
        func.HttpResponse(b"{}", headers={"Content-Length": "99", "Transfer-Encoding": "chunked"})
    )
    assert [value for name, value in response.headers if name == b"content-length"] == [b"2"]
    assert b"transfer-encoding" not in dict(response.headers)


def test_each_cookie_has_a_header_of_its_own() -> None:
    http = datum_of(func.HttpResponse(b""))
    http.value["cookies"] = [SimpleCookie("a=1; Path=/; HttpOnly"), SimpleCookie("b=2")]
    cookies = [value for name, value in requests.response(http).headers if name == b"set-cookie"]
    assert cookies == [b"a=1; HttpOnly; Path=/", b"b=2"]


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_that_must_not_have_a_body_has_none(status: int) -> None:
    response = encoded(func.HttpResponse(b"text", status_code=status))
    assert response.body == b""
    assert b"content-length" not in dict(response.headers)


def test_a_returned_text_is_a_plain_page() -> None:
    response = requests.response(datums.string("né"))
    assert (response.status, response.body) == (200, "né".encode())
    assert dict(response.headers)[b"content-type"] == b"text/plain; charset=utf-8"


def test_nothing_returned_is_no_content() -> None:
    assert requests.response(None) == requests.Response(204, [])
