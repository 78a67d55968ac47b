// What only the teacher's page has: the links of the class, the address of the server, the end of the class.

import { make, write } from "./elements.js";

/** The desk. done: called when what it shows has changed. */
export function desk(room, base, code, done) {
  const { link, ended } = room.standing;
  const address = make("input", { type: "url", value: new URL(link).origin, required: true, maxlength: 200 });
  const qr = make("img", { src: `${base}/classes/${code}/qr.svg?for=${encodeURIComponent(link)}`, alt: `QR code of ${link}`, width: 220, height: 220 });
  const move = async (event) => {
    event.preventDefault();
    await room.teach("address", { address: address.value });
    if (!room.complaint) done();
  };
  const own = make("input", { readonly: true, value: room.teacherLink, "aria-label": "The teacher’s link", focus: () => own.select() });
  const wall = new URL(location.href);
  wall.searchParams.set("view", "projector");
  const end = (event) => endTwice(event.target, room, done);
  return make("details", { class: "bnviz-desk", open: true }, make("summary", {}, "Links of this class"),
    make("div", {}, qr, make("div", {},
      make("p", {}, make("b", {}, "For students: "), make("a", { href: link, target: "_blank", rel: "noreferrer" }, link)),
      make("form", { class: "bnviz-row", submit: move },
        make("label", {}, "Address of this computer for others ", address), make("button", { type: "submit" }, "Use this address")),
      make("p", {}, make("b", {}, "For the projector: "), make("a", { href: wall.href, target: "_blank" }, "open it in its own window")),
      make("details", {}, make("summary", {}, "For you alone: your own link"), own, make("p", {}, "Whoever has this link can drive the run and ask the class.")),
      ...(ended ? [] : [make("p", {}, make("button", { type: "button", click: end }, "End the class"))]))));
}

/** Asked twice, as it cannot be taken back. */
function endTwice(button, room, done) {
  if (button.dataset.sure) room.teach("end").then(done);
  button.dataset.sure = "yes";
  write(button, "Really end it for everybody?");
}
