#!/usr/bin/env python3
"""pods.py: the manifests of docker/kubernetes and the files of docker/compose.yaml, read as those would who run them.

    pods.py check                        do they fit together? exit code 0, or 1 with what does not
    pods.py run POD CONTAINER NAME WORK  arguments of `docker run`, a line each, for a container of that pod: with its
                                         user, its limits, its mounts; Secrets and ConfigMaps are folders of WORK
"""
import json
import os
import re
import sys

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def load(path):
    with open(os.path.join(ROOT, "docker", path), encoding="utf-8") as f:
        return list(yaml.safe_load_all(f))


OBJECTS = [o for path in load("kubernetes/kustomization.yaml")[0]["resources"] for o in load("kubernetes/" + path)]


def only(kind, name):
    found = [o for o in OBJECTS if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


SET = only("StatefulSet", "quorate")
POD = SET["spec"]["template"]["spec"]
CONTAINERS = {c["name"]: c for c in POD["initContainers"] + POD["containers"]}


# ---- docker run ----------------------------------------------------------------------------------


def source(volume, work):
    """The folder of a Secret or ConfigMap; None: it is optional and not there."""
    path = f"{work}/{volume['secret']['secretName'] if 'secret' in volume else volume['configMap']['name']}"
    optional = "secret" in volume and volume["secret"].get("optional")
    return None if optional and not os.path.isdir(path) else path


def run(pod, container, name, work):
    c = CONTAINERS[container]
    security, confined = POD["securityContext"], c["securityContext"]
    assert security["runAsNonRoot"] and security["seccompProfile"]["type"] == "RuntimeDefault"
    assert not confined["allowPrivilegeEscalation"]
    args = ["--name", f"{name}-{pod}-{container}", "--hostname", f"quorate-{pod}", "--network", name]
    args += ["--network-alias", f"quorate-{pod}.{SET['spec']['serviceName']}"]
    args += ["--user", f"{security['runAsUser']}:{security['runAsGroup']}", "--security-opt", "no-new-privileges"]
    args += ["--memory", c["resources"]["limits"]["memory"].rstrip("i").lower()]
    args += [f"--cap-drop={capability}" for capability in confined["capabilities"]["drop"]]
    args += ["--read-only"] if confined["readOnlyRootFilesystem"] else []
    for variable in c.get("env", []):
        args += ["--env", f"{variable['name']}={variable['value']}"]
    volumes = {v["name"]: v for v in POD["volumes"]}
    for mount in c["volumeMounts"]:
        mode = "ro" if mount.get("readOnly") else "rw"
        if mount["name"] == "home":
            args += ["--volume", f"{name}-home-{pod}:{mount['mountPath']}:{mode}"]
        elif "emptyDir" in volumes[mount["name"]]:
            args += ["--tmpfs", mount["mountPath"]]
        elif (path := source(volumes[mount["name"]], work)) is not None:
            args += ["--volume", f"{path}:{mount['mountPath']}:{mode}"]
        else:
            args += ["--tmpfs", f"{mount['mountPath']}:ro"]
    entry = c.get("command", [])
    args += ["--entrypoint", entry[0]] if entry else []
    return args + ["quorate-test"] + entry[1:] + c.get("args", [])


# ---- check ---------------------------------------------------------------------------------------


def check_pods():
    labels = SET["spec"]["template"]["metadata"]["labels"]
    assert SET["spec"]["selector"]["matchLabels"] == labels
    for o in OBJECTS:
        selector = o["spec"].get("selector") or o["spec"].get("podSelector")
        assert selector.get("matchLabels", selector) == labels, f"{o['kind']} {o['metadata']['name']} selects others"
    assert only("PodDisruptionBudget", "quorate")["spec"]["maxUnavailable"] == 1
    headless = only("Service", SET["spec"]["serviceName"])["spec"]
    assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"]
    assert SET["spec"]["podManagementPolicy"] == "Parallel", "none is ready without the others"

    volumes = {v["name"] for v in POD["volumes"]} | {c["metadata"]["name"] for c in SET["spec"]["volumeClaimTemplates"]}
    mounted = {m["name"] for c in CONTAINERS.values() for m in c["volumeMounts"]}
    assert volumes == mounted, f"volumes {volumes}, mounted {mounted}"
    assert "keys" not in {m["name"] for m in CONTAINERS["replica"]["volumeMounts"]}, "a replica sees the others' keys"

    ports = {p["name"]: p["containerPort"] for p in CONTAINERS["replica"]["ports"]}
    assert CONTAINERS["replica"]["readinessProbe"]["httpGet"]["port"] in ports
    assert not CONTAINERS["replica"].keys() & {"livenessProbe", "startupProbe"}, "a probe that kills"
    for o in OBJECTS:
        assert o["kind"] != "Service" or {p["targetPort"] for p in o["spec"]["ports"]} <= ports.keys()
    with open(os.path.join(ROOT, "docker/kubernetes/node.conf"), encoding="utf-8") as f:
        listens = dict(re.findall(r"^(http|listen) = .*:(\d+)$", f.read(), re.M))
    assert listens == {"http": str(ports["http"]), "listen": str(ports["peers"])}
    peers = [f"http://quorate-{i}.{SET['spec']['serviceName']}:{ports['http']}" for i in range(SET["spec"]["replicas"])]
    assert CONTAINERS["home"]["env"] == [{"name": "PEERS", "value": " ".join(peers)}]

    version = re.search(r"project\(quorate VERSION ([0-9.]+)", open(os.path.join(ROOT, "CMakeLists.txt")).read())[1]
    assert {c["image"] for c in CONTAINERS.values()} == {f"quorate:{version}"}, f"the version is {version}"


def check_monitoring():
    compose = load("compose.yaml")[0]["services"]
    mounts = {}
    for service in ("prometheus", "grafana"):
        for volume in compose[service]["volumes"]:
            host, inside = volume.split(":")[:2]
            if host.startswith("./"):
                assert os.path.isfile(os.path.join(ROOT, "docker", host)), f"{host} is not there"
                assert volume.endswith(":ro")
                mounts[inside] = host
    dashboard = [inside for inside, host in mounts.items() if host == "./dashboard.json"]
    sources = load("grafana/datasource.yaml")[0]
    provider = load("grafana/dashboards.yaml")[0]
    assert sources["apiVersion"] == provider["apiVersion"] == 1
    assert [s["url"] for s in sources["datasources"]] == ["http://prometheus:9090"] and "prometheus" in compose
    assert [p["options"]["path"] for p in provider["providers"]] == [os.path.dirname(dashboard[0])]
    assert compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == dashboard[0]
    scraped = load("prometheus.yaml")[0]["scrape_configs"][0]["static_configs"][0]["targets"]
    assert scraped == [f"{name}:7480" for name in compose if re.fullmatch(r"node\d", name)]
    with open(os.path.join(ROOT, "docker/dashboard.json"), encoding="utf-8") as f:
        variables = json.load(f)["templating"]["list"]
    assert [v["type"] for v in variables] == ["datasource"] and variables[0]["query"] == sources["datasources"][0]["type"]
    for name, service in compose.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], f"{name} is not confined"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), f"{name} is open to others"


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check_pods()
        check_monitoring()
        print(f"manifests: {len(OBJECTS)} objects, {len(CONTAINERS)} containers a pod; monitoring fits")
    elif len(sys.argv) == 6 and sys.argv[1] == "run":
        print("\n".join(run(*sys.argv[2:])))
    else:
        sys.exit(__doc__)
