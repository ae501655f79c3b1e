"""What must hold of the rendered chart beyond its schemas.

rendered.py SINGLE EVERYTHING CONFIGS   two rendered files; the configurations in them are written to
the folder CONFIGS, with the paths of their secrets below it.
rendered.py hooks RENDERED SINKS        a rendered file, and what `faultline sinks list --json` says of its
configuration: each hook has to lead to the role that serves it.
"""

import json
import pathlib
import re
import sys

import yaml

PROBLEMS = []


def hold(what, truth):
    if not truth:
        PROBLEMS.append(what)


def load(path):
    return [document for document in yaml.safe_load_all(pathlib.Path(path).read_text()) if document]


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def pods(documents):
    return [(work, work["spec"]["template"]) for work in of_kind(documents, "Deployment", "StatefulSet")]


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def check_all(documents):
    """What every rendering must be."""
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    hold(f"every object has its own name: {names}", len(names) == len(set(names)))
    for work, pod in pods(documents):
        name = work["metadata"]["name"]
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        hold(f"{name}: not root", spec["securityContext"]["runAsNonRoot"] is True)
        secure = container["securityContext"]
        hold(f"{name}: no way up", secure["allowPrivilegeEscalation"] is False)
        hold(f"{name}: its root is read-only", secure["readOnlyRootFilesystem"] is True)
        hold(f"{name}: no capabilities", secure["capabilities"]["drop"] == ["ALL"])
        hold(f"{name}: it has no token of Kubernetes", spec["automountServiceAccountToken"] is False)
        for probe, path in (("startup", "/readyz"), ("liveness", "/livez"), ("readiness", "/readyz")):
            get = container[f"{probe}Probe"]["httpGet"]
            hold(f"{name}: {probe} asks {path}", (get["path"], get["port"]) == (path, "http"))
        hold(f"{name}: it selects its own pods", matches(work["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]))
        volumes = {volume["name"] for volume in spec["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in work["spec"].get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        hold(f"{name}: mounts {mounts} are volumes {volumes}", mounts == volumes)
        hold(f"{name}: its image has a version", re.search(r"(:[^/]*[0-9]|@sha256:)", container["image"]))
    for service in of_kind(documents, "Service"):
        selector, port = service["spec"]["selector"], service["spec"]["ports"][0]["targetPort"]
        found = [pod for _, pod in pods(documents) if matches(selector, pod["metadata"]["labels"])]
        hold(f"service {service['metadata']['name']} finds pods", found)
        for pod in found:
            offered = {offer["name"] for offer in pod["spec"]["containers"][0]["ports"]}
            hold(f"service {service['metadata']['name']}: they offer {port}", port in offered)


def roles(pod):
    arguments = pod["spec"]["containers"][0]["args"]
    return arguments[arguments.index("--roles") + 1].split(",")


def check_roles(documents, woken=False, copies=None):
    """Each role runs; of those that cannot share their work others may stand by, but where SQL is served."""
    seen = {}
    for work, pod in pods(documents):
        for role in roles(pod):
            hold(f"{role} is in one workload", role not in seen)
            seen[role] = work
    hold(f"all roles run: {sorted(seen)}", set(seen) >= {"intake", "observe", "detect", "correlate", "deliver", "console", "history"})
    for role in ("observe", "detect", "correlate", "deliver", "history"):
        replicas = seen[role]["spec"].get("replicas")
        wanted = (copies or {}).get(role, 1)
        hold(f"{role} has {wanted} copies, not {replicas}", replicas == wanted or (woken and role == "observe" and replicas is None))


def check_everything(documents):
    topics = {topic["spec"]["topicName"]: topic["spec"] for topic in of_kind(documents, "KafkaTopic")}
    hold(f"all topics: {sorted(topics)}", len(topics) == 12)
    hold("a renamed input", topics["traces.otlp"]["partitions"] == 12)
    hold("panes: cells x shares", topics["fl.panes"]["partitions"] == 4)
    hold("journal: one partition a cell", topics["fl.journal"]["partitions"] == 2)
    compacted = {name for name, spec in topics.items() if spec["config"]["cleanup.policy"] == "compact"}
    hold(f"compacted: {compacted}", compacted == {"fl.incidents", "fl.deliveries"})
    (scaled,) = of_kind(documents, "ScaledObject")
    hold("OBSERVE is never two", scaled["spec"]["maxReplicaCount"] == 1)
    read = {trigger["metadata"]["topic"] for trigger in scaled["spec"]["triggers"]}
    hold(f"every input wakes it: {read}", read == {name for name in topics if not name.startswith("fl.")})
    target = scaled["spec"]["scaleTargetRef"]
    hold("it scales what is there", target["name"] in {w["metadata"]["name"] for w in of_kind(documents, target["kind"])})
    budgets = {budget["metadata"]["name"].rsplit("-", 1)[1] for budget in of_kind(documents, "PodDisruptionBudget")}
    hold(f"budgets protect what has copies: {budgets}", budgets == {"intake", "console", "correlate", "deliver"})
    hold("no tokens are made beside a named Secret", not of_kind(documents, "Secret"))
    hold("rules are rendered", of_kind(documents, "PrometheusRule")[0]["spec"]["groups"][0]["rules"])


def write_configs(named, folder):
    """The configurations, with secrets where this machine can read them."""
    for name, documents in named.items():
        (config,) = of_kind(documents, "ConfigMap")[:1]
        text = config["data"]["faultline.yaml"]
        for path in re.findall(r"/etc/faultline/secrets/[^\s}]+", text):
            secret = folder / path.lstrip("/")
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text("0123456789abcdef0123456789abcdef")
        text = text.replace("/etc/faultline/secrets/", f"{folder}/etc/faultline/secrets/")
        (folder / f"{name}.yaml").write_text(text)


def check_hooks(documents, sinks):
    """The ingress brings each hook to a pod of the role that can serve it."""
    (ingress,) = of_kind(documents, "Ingress")
    services = {service["metadata"]["name"]: service for service in of_kind(documents, "Service")}
    hooked = [sink for sink in sinks if sink["hook"]]
    hold(f"hooks of both kinds: {hooked}", {sink["hook_role"] for sink in hooked} == {"deliver", "console"})
    for rule in ingress["spec"]["rules"]:
        paths = {path["path"]: path for path in rule["http"]["paths"]}
        for sink in hooked:
            # An exact path wins over the prefix `/`, wherever it stands.
            path = paths.get(sink["hook"], paths["/"])
            selector = services[path["backend"]["service"]["name"]]["spec"]["selector"]
            led = [roles(pod) for _, pod in pods(documents) if matches(selector, pod["metadata"]["labels"])]
            hold(f"{sink['hook']} leads to {sink['hook_role']}: {led}", led and all(sink["hook_role"] in one for one in led))
        known = {sink["hook"] for sink in hooked}
        hold(f"no path is nobody's: {sorted(paths)}", set(paths) - {"/"} <= known)


def finish():
    if PROBLEMS:
        sys.exit("the rendered chart: this does not hold:\n  " + "\n  ".join(PROBLEMS))


def main():
    if sys.argv[1] == "hooks":
        check_hooks(load(sys.argv[2]), [json.loads(line) for line in pathlib.Path(sys.argv[3]).read_text().splitlines()])
        return finish()
    single, everything, configs = sys.argv[1:]
    documents = {"single": load(single), "everything": load(everything)}
    for rendered in documents.values():
        check_all(rendered)
    check_roles(documents["single"])
    check_roles(documents["everything"], woken=True, copies={"correlate": 2, "deliver": 2})
    check_everything(documents["everything"])
    write_configs(documents, pathlib.Path(configs))
    finish()


main()
