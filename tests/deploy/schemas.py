"""JSON Schemas for kubeconform, made from what the projects themselves publish.

schemas.py OUT SWAGGER CRD...   SWAGGER: Kubernetes' api/openapi-spec/swagger.json; CRD: YAML files.

Strict, as a server with strict field validation is: a field that the schema does not know is refused.
File names are those that kubeconform asks for: <kind>[-<group>]-<version>.json in small letters.
"""

import json
import pathlib
import sys

import yaml

# What the chart renders; a kind that is not here has no schema, and kubeconform fails.
KINDS = {
    "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy",
    "PodDisruptionBudget", "Secret", "Service", "ServiceAccount", "StatefulSet",
}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
REF = "#/definitions/"


def strict(node):
    """Closes objects with known fields, and lets through what may be number or string."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "int-or-string" or node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    out = {
        key: {name: strict(child) for name, child in value.items()} if key == "properties" else strict(value)
        for key, value in node.items()
        if not key.startswith("x-") and key not in ("description", "format", "example")
    }
    if "properties" in out and not node.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    return out


def refs(node):
    """The definitions that a schema points to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(REF)
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def write(out, group, version, kind, schema):
    parts = [kind, *([group.split(".")[0]] if group else []), version]
    (out / ("-".join(parts).lower() + ".json")).write_text(json.dumps(schema))


def from_swagger(out, path):
    definitions = json.loads(path.read_text())["definitions"]
    closed = {name: strict(schema) for name, schema in definitions.items()}
    closed[QUANTITY] = {"type": ["string", "number"]}
    for name, schema in definitions.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            if gvk["kind"] not in KINDS or len(schema["x-kubernetes-group-version-kind"]) > 1:
                continue
            needed, todo = {}, [name]
            while todo:
                at = todo.pop()
                if at not in needed:
                    needed[at] = closed[at]
                    todo.extend(refs(closed[at]))
            write(out, gvk["group"], gvk["version"], gvk["kind"], {"$ref": REF + name, "definitions": needed})


def from_crd(out, path):
    for crd in yaml.safe_load_all(path.read_text()):
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            write(out, spec["group"], version["name"], spec["names"]["kind"], schema)


def main():
    out, swagger, *crds = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    from_swagger(out, swagger)
    for crd in crds:
        from_crd(out, crd)


main()
