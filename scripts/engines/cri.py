#!/usr/bin/env python3
"""A client of the CRI, as small as scripts/engines/containerd needs it: cri.py SOCKET VERB ARGUMENT...

run-pod NAME [ANNOTATION=VALUE]     prints the pod's id
create POD NAME IMAGE [OPTION...] -- COMMAND...   prints the container's id; options: user=N, readonly,
                                    pod:ANNOTATION=VALUE
start, stop, remove CONTAINER; state CONTAINER (prints 0 created, 1 running, 2 exited); stop-pod, remove-pod POD
exec CONTAINER COMMAND...
Messages are encoded by hand (api.proto of k8s.io/cri-api), so that no generated code is needed.
"""
import sys

import grpc

HOST_NETWORK = 2


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


def decode(data):
    """The fields of a message, the last of each number."""
    fields, at = {}, 0

    def number():
        nonlocal at
        result = shift = 0
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return result

    while at < len(data):
        key = number()
        if key & 7 == 2:
            size = number()
            fields[key >> 3] = data[at : at + size]
            at += size
        else:
            fields[key >> 3] = number()
    return fields


def call(socket, method, request):
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        path = f"/runtime.v1.RuntimeService/{method}"
        plain = lambda data: data
        return decode(channel.unary_unary(path, plain, plain)(request, timeout=60))


def pod_config(name, annotations):
    namespaces = message((1, HOST_NETWORK))
    pairs = [(7, message((1, key), (2, value))) for key, value in annotations]
    linux = message((2, message((1, namespaces))))
    return message((1, message((1, name), (2, name), (3, "default"))), (3, "/var/log"), *pairs, (8, linux))


def main(socket, verb, *words):
    simple = {"start": "StartContainer", "stop": "StopContainer", "remove": "RemoveContainer",
              "stop-pod": "StopPodSandbox", "remove-pod": "RemovePodSandbox"}
    if verb in simple:
        call(socket, simple[verb], message((1, words[0])))
    elif verb == "run-pod":
        annotations = [word.split("=", 1) for word in words[1:]]
        print(call(socket, "RunPodSandbox", message((1, pod_config(words[0], annotations))))[1].decode())
    elif verb == "create":
        pod, name, image, *rest = words
        split = rest.index("--")
        options, command = rest[:split], rest[split + 1 :]
        # kubelet sends the pod's configuration with each of its containers, too.
        annotations = [option[4:].split("=", 1) for option in options if option.startswith("pod:")]
        security = [(3, message((1, HOST_NETWORK)))]
        security += [(5, message((1, int(option[5:])))) for option in options if option.startswith("user=")]
        security += [(7, 1)] if "readonly" in options else []
        config = message((1, message((1, name))), (2, message((1, image))), *[(3, word) for word in command],
                         (11, f"{name}.log"), (15, message((2, message(*security)))))
        print(call(socket, "CreateContainer", message((1, pod), (2, config), (3, pod_config(name, annotations))))[1].decode())
    elif verb == "state":
        print(decode(call(socket, "ContainerStatus", message((1, words[0])))[1]).get(3, 0))
    elif verb == "exec":
        answer = call(socket, "ExecSync", message((1, words[0]), *[(2, word) for word in words[1:]]))
        print(answer.get(3, 0))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
