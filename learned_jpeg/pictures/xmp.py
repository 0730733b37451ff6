"""XMP packets: finds properties that point to other data, and takes them out."""

import re
from xml.etree import ElementTree

# Properties that point to data that a new file lacks: {namespace: names; None for all}.
GAIN_MAP = {"http://ns.adobe.com/hdr-gain-map/1.0/": None}
APPLE_GAIN_MAP = {"http://ns.apple.com/HDRGainMap/1.0/": None}
GAIN_MAPS = GAIN_MAP | APPLE_GAIN_MAP
MOTION = {"http://ns.google.com/photos/1.0/camera/": re.compile("Motion|MicroVideo")}
_CONTAINER = "http://ns.google.com/photos/1.0/container/"
DIRECTORY = {_CONTAINER: None, _CONTAINER + "item/": None}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
CREDENTIALS = {"http://purl.org/dc/terms/": re.compile("provenance")}
EXTENSION = {"http://ns.adobe.com/xmp/note/": re.compile("HasExtendedXMP")}
ORIENTATION = {"http://ns.adobe.com/tiff/1.0/": re.compile("Orientation")}


def has_any(packet, properties):
    """Whether a packet (bytes) has any of the properties. Raises ValueError: not XML."""
    return any(True for _ in _found(_parsed(packet), properties))


def without(packet, *properties):
    """A packet without the properties; all else stays as it is.

    Raises ValueError where it is not XML, or where a property cannot be taken out.
    """
    wanted = [each for each in properties if has_any(packet, each)]
    text = packet.decode()
    for each in wanted:
        for namespace, names in each.items():
            for prefix in set(
                re.findall(rf"xmlns:([\w.-]+)\s*=\s*[\"']{re.escape(namespace)}", text)
            ):
                name = rf"{re.escape(prefix)}:(?:{names.pattern if names else ''})[\w.-]*"
                text = re.sub(rf"\s{name}\s*=\s*(?:\"[^\"]*\"|'[^']*')", "", text)
                text = re.sub(rf"<({name})(?:\s[^<>]*)?/>", "", text)
                text = re.sub(rf"<({name})(?:\s[^<>]*)?>.*?</\1\s*>", "", text, flags=re.S)
    packet = text.encode()
    if any(has_any(packet, each) for each in wanted):
        raise ValueError("a property of left out data cannot be removed")
    return packet


def with_directory(packet, size):
    """A packet with a DIRECTORY added, of the picture and a gain map of `size` bytes.

    The directory is Ultra HDR 1.1's "GContainer". Raises ValueError where the packet is no RDF.
    """
    text = packet.decode()
    rdf = re.search(rf"xmlns:([\w.-]+)\s*=\s*[\"']{re.escape(_RDF)}", text)
    end = rdf and text.rfind(f"</{rdf[1]}:RDF")
    if not rdf or end < 0:
        raise ValueError("it is no RDF")
    about = re.search(rf"\s{re.escape(rdf[1])}:about\s*=\s*(\"[^\"]*\"|'[^']*')", text)
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{name}" '
        f'Item:Mime="image/jpeg"{length}/></rdf:li>'
        for name, length in (("Primary", ""), ("GainMap", f' Item:Length="{size}"'))
    )
    told = about[1] if about else '""'
    directory = (
        f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about={told} '
        f'xmlns:Container="{_CONTAINER}" xmlns:Item="{_CONTAINER}item/"><Container:Directory>'
        f"<rdf:Seq>{items}</rdf:Seq></Container:Directory></rdf:Description>"
    )
    packet = (text[:end] + directory + text[end:]).encode()
    _parsed(packet)
    return packet


def _parsed(packet):
    if re.search(rb"<!(DOCTYPE|ENTITY)", packet):  # no part of XMP; may expand without end
        raise ValueError("it has a document type")
    try:
        return ElementTree.fromstring(packet.decode().strip(" \n\r\t\0\ufeff"))
    except (ElementTree.ParseError, UnicodeError, RecursionError) as error:
        raise ValueError(f"it is no XML ({error})") from error


def _found(root, properties):
    for element in root.iter():
        for name in (element.tag, *element.attrib):
            namespace, _, local = name[1:].partition("}") if name[:1] == "{" else ("", "", name)
            if namespace in properties:
                names = properties[namespace]
                if names is None or names.match(local):
                    yield name
