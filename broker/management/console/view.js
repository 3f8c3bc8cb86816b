// Views: a page says with h() what is to be seen, and render() changes the document to it.
//
// Only what differs from the last time is touched, so that a page can be drawn anew every few seconds without losing
// the focus, a selection or an open menu. Texts become text nodes and never HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * One element to be.
 *
 * @param {string} tag As in HTML or SVG.
 * @param {object?} props Attributes; `on…` are listeners, `key` tells siblings apart, `value` and `checked` are
 *     properties, `style` is an object; `hook` is called with the element when it is new, and `draw` each time, for
 *     elements that draw themselves.
 * @param {...*} children Elements, texts, numbers, lists of them; null and false are nothing.
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flat(children), key: props?.key };
}

/** Make the children of `parent` these. */
export function render(parent, ...children) {
  const next = flat(children);
  reconcile(parent, parent.rendered ?? [], next, parent.namespaceURI === SVG);
  parent.rendered = next;
}

function flat(children) {
  const list = [];
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === true) continue;
    list.push(typeof child === "object" ? child : { text: String(child) });
  }
  return list;
}

function reconcile(parent, old, next, isSvg) {
  const keyed = new Map();
  const others = [];
  for (const each of old) {
    if (each.key === undefined) others.push(each);
    else keyed.set(each.key, each);
  }
  let at = 0;
  const kept = new Set();
  for (const node of next) {
    const match = node.key === undefined ? others[at++] : keyed.get(node.key);
    if (match && match.tag === node.tag && !kept.has(match)) {
      kept.add(match);
      patch(match, node);
    } else {
      create(node, isSvg);
    }
  }
  for (const each of old) if (!kept.has(each)) each.dom.remove();
  let place = parent.firstChild;
  for (const node of next) {
    if (node.dom === place) place = place.nextSibling;
    else parent.insertBefore(node.dom, place);
  }
}

function create(node, isSvg) {
  if (node.tag === undefined) {
    node.dom = document.createTextNode(node.text);
    return;
  }
  const inSvg = isSvg || node.tag === "svg";
  node.dom = inSvg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  reconcile(node.dom, [], node.children, inSvg && node.tag !== "foreignObject");
  for (const [name, value] of Object.entries(node.props)) set(node.dom, name, value, undefined);
  node.props.draw?.(node.dom);
  node.props.hook?.(node.dom);
}

function patch(old, node) {
  const dom = (node.dom = old.dom);
  if (node.tag === undefined) {
    if (node.text !== old.text) dom.nodeValue = node.text;
    return;
  }
  reconcile(dom, old.children, node.children, dom.namespaceURI === SVG);
  for (const name of Object.keys(old.props)) {
    if (!(name in node.props)) set(dom, name, undefined, old.props[name]);
  }
  for (const [name, value] of Object.entries(node.props)) {
    if (value !== old.props[name]) set(dom, name, value, old.props[name]);
  }
  node.props.draw?.(dom);
}

function set(dom, name, value, old) {
  if (name === "key" || name === "hook" || name === "draw") return;
  if (name.startsWith("on")) {
    const event = name.slice(2);
    if (old) dom.removeEventListener(event, old);
    if (value) dom.addEventListener(event, value);
  } else if (name === "style") {
    for (const [key, each] of Object.entries(value ?? {})) dom.style.setProperty(key, each);
  } else if (name === "value" || name === "checked" || (name === "open" && dom.tagName === "DETAILS")) {
    dom[name] = value ?? "";
  } else if (value === undefined || value === null || value === false) {
    dom.removeAttribute(name);
  } else {
    dom.setAttribute(name, value === true ? "" : value);
  }
}
