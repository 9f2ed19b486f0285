"""Deep Q-learning with a replay memory: predict and fit on single states, a target network by set_weights."""
import random
from collections import deque
import numpy as np
from keras.models import Sequential
from keras.layers import Dense
from keras.optimizers import Adam
from keras import backend as K


class Corridor(object):
    """Nine places; 1 goes right, 0 left; the right end pays."""

    def reset(self):
        self.at, self.time = 4, 0
        return self.state()

    def state(self):
        return np.eye(9)[self.at]

    def step(self, action):
        self.at += 1 if action else -1
        self.time += 1
        done = self.at in (0, 8) or self.time > 20
        return self.state(), 1.0 if self.at == 8 else -0.02, done


class DQNAgent:
    def __init__(self, state_size, action_size):
        self.state_size = state_size
        self.action_size = action_size
        self.memory = deque(maxlen=2000)
        self.gamma = 0.9
        self.epsilon = 1.0
        self.epsilon_min = 0.1
        self.epsilon_decay = 0.97
        self.model = self._build_model()
        self.target_model = self._build_model()
        self.update_target_model()

    def _huber_loss(self, y_true, y_pred, clip_delta=1.0):
        error = y_true - y_pred
        cond = K.abs(error) <= clip_delta
        squared_loss = 0.5 * K.square(error)
        quadratic_loss = 0.5 * K.square(clip_delta) + clip_delta * (K.abs(error) - clip_delta)
        return K.mean(K.switch(cond, squared_loss, quadratic_loss))

    def _build_model(self):
        model = Sequential()
        model.add(Dense(24, input_dim=self.state_size, activation='relu'))
        model.add(Dense(self.action_size, activation='linear'))
        model.compile(loss=self._huber_loss, optimizer=Adam(lr=0.01))
        return model

    def update_target_model(self):
        self.target_model.set_weights(self.model.get_weights())

    def act(self, state):
        if np.random.rand() <= self.epsilon:
            return random.randrange(self.action_size)
        return np.argmax(self.model.predict(state)[0])

    def replay(self, batch_size):
        for state, action, reward, next_state, done in random.sample(self.memory, batch_size):
            target = self.model.predict(state)
            if done:
                target[0][action] = reward
            else:
                target[0][action] = reward + self.gamma * np.amax(self.target_model.predict(next_state)[0])
            self.model.fit(state, target, epochs=1, verbose=0)
        self.epsilon = max(self.epsilon_min, self.epsilon * self.epsilon_decay)


env = Corridor()
agent = DQNAgent(9, 2)
for e in range(45):
    state, done = env.reset().reshape(1, 9), False
    while not done:
        action = agent.act(state)
        next_state, reward, done = env.step(action)
        next_state = next_state.reshape(1, 9)
        agent.memory.append((state, action, reward, next_state, done))
        state = next_state
    agent.update_target_model()
    if len(agent.memory) > 16:
        agent.replay(16)
values = agent.model.predict(np.eye(9))
print(values)
assert (values[3:8].argmax(axis=1) == 1).all() and abs(values[7, 1] - 1) < 0.25
