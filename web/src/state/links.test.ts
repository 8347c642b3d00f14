import { expect, test } from "vitest";
import { inviteCode } from "./links";

const CODE = "AbCdEfGhIjKlMnOp_-0123";

test.each([
  `http://localhost:8440/#/join/${CODE}`,
  `https://talk.example.org/#/join/${CODE}\n`,
  `Come: https://talk.example.org/#/join/${CODE}`,
  `#/join/${CODE}`,
  `  ${CODE}  `,
])("the code is found in %j", (text) => {
  expect(inviteCode(text)).toBe(CODE);
});

test.each([
  "",
  "hello",
  "https://talk.example.org/",
  "https://talk.example.org/#/join/",
  "https://talk.example.org/#/join/short",
  `https://talk.example.org/#/c/${CODE}`,
  `https://talk.example.org/#/join/${CODE}<script>`,
  `https://talk.example.org/#/join/${"x".repeat(65)}`,
])("there is no code in %j", (text) => {
  expect(inviteCode(text)).toBeNull();
});
